// How many folded streams the command API keeps in memory: by their weight as it is now, not as it was.
import { expect, test } from 'vitest';
import type { RecordedEvent } from '#events/envelope.ts';
import { openStreams, rowsMax } from '#services/command-api/streams.ts';
import type { StreamKind } from '#services/command-api/streams.ts';
import { memoryLogStore, openMemoryLog } from '#test/memory-log.ts';
import { noon } from '#test/rules/history.ts';

/** Each event adds a third of what may be kept. */
const heavyKind: StreamKind<{ stream_version: number }, unknown, RecordedEvent, unknown> = {
  decider: {
    initial: () => ({ stream_version: 0 }),
    decide: () => ({ events: [] }),
    evolve: (state) => ({ stream_version: state.stream_version + 1 }),
    fork: (state) => ({ ...state }),
  },
  rowsOf: ({ stream_version }) => Math.floor((stream_version * rowsMax) / 3),
  admit: null,
  snapshot: null,
};

test('a stream that grows displaces those that nobody has used for the longest', () => {
  const streams = openStreams(openMemoryLog(memoryLogStore()), (error) => {
    throw error;
  });
  const folded = Object.fromEntries(
    ['a', 'b'].map((stream) => [stream, streams.begin(heavyKind, stream)]),
  );
  const record = (stream: string): void =>
    streams.apply(heavyKind, folded[stream]!, [
      {
        position: 1,
        id: '01890000-0000-7000-8000-000000000000',
        type: 'tenant.created',
        schema_version: 1,
        tenant: 't',
        stream,
        stream_version: folded[stream]!.state.stream_version + 1,
        actor: {
          subject: 'zoë',
          type: 'user',
          auth_method: 'internal',
          key_id: null,
          declared_by: null,
        },
        occurred_at: noon,
        recorded_at: noon,
        reason: null,
        command_id: '01890000-0000-7000-8000-000000000001',
        correlation_id: null,
        causation_id: null,
        traceparent: null,
        data: {},
      },
    ]);
  const versionsKept = (): number[] =>
    ['a', 'b'].map((stream) => streams.recall(heavyKind, stream).state.stream_version);

  record('a');
  record('b');
  expect(versionsKept()).toEqual([1, 1]);
  record('b');
  expect(versionsKept()).toEqual([1, 2]);
  record('b');
  expect(versionsKept()).toEqual([0, 3]);
});
