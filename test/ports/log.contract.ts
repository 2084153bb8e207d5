// What every event log promises, told once for all adapters.
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Scope } from '#events/access.ts';
import { parts } from '#events/catalogue.ts';
import type { PartKind, ScopeOfModel } from '#events/catalogue.ts';
import type { Actor, RecordedEvent } from '#events/envelope.ts';
import { eventDataBytesMax, pageBytesMax, pageEventsMax } from '#events/log.ts';
import type {
  AppendCommand,
  AppendEntry,
  EventLog,
  NewEvent,
  Verdict,
  SnapshotPart,
} from '#events/log.ts';

/** One log, on which any number of handles can be opened, as by several processes. */
export type LogUnderTest = { open: () => Promise<EventLog>; close: () => Promise<void> };

const actor: Actor = {
  subject: 'zoë',
  type: 'user',
  auth_method: 'api_key',
  key_id: '01940000-0000-7000-c000-000000000001',
  declared_by: 'the pipeline ✓',
};

/** An event of a type that says nothing to the log. */
export const noted = (data: object = {}, over: Partial<NewEvent> = {}): NewEvent => ({
  id: uuidv7(),
  type: 'model.updated',
  schema_version: 1,
  data,
  serial_kind: null,
  ...over,
});

/** A command that nobody has asked before. */
export const asked = (over: Partial<AppendCommand> = {}): AppendCommand => {
  const command_id = over.command_id ?? randomUUID();
  return {
    command_id,
    request_hash: null,
    status: 200,
    metadata: {
      actor,
      occurred_at: '2026-11-21T04:05:06.789Z',
      reason: 'schön genug',
      command_id,
      correlation_id: null,
      causation_id: null,
      traceparent: null,
    },
    events: [noted()],
    takes: [],
    frees: [],
    keys: [],
    scopes: [],
    ...over,
  };
};

export const entryOf = (
  stream: string,
  expected_version: number,
  ...commands: AppendCommand[]
): AppendEntry => ({
  stream,
  tenant: stream.split(':')[1]!,
  expected_version,
  decided_on: [],
  commands,
});

const kindsOf = (verdicts: Verdict[][]): string[][] =>
  verdicts.map((entry) => entry.map(({ verdict }) => verdict));

/** The verdict, which must be `appended`. */
export function appended(verdict: Verdict | undefined): Extract<Verdict, { verdict: 'appended' }> {
  expect(verdict).toMatchObject({ verdict: 'appended' });
  return verdict as Extract<Verdict, { verdict: 'appended' }>;
}

/** Registers the suite for one adapter. */
export function logContract(name: string, start: () => Promise<LogUnderTest>): void {
  describe(`the event log in ${name}`, () => {
    let under: LogUnderTest;
    let log: EventLog;
    beforeEach(async () => {
      under = await start();
      log = await under.open();
    });
    afterEach(() => under.close());

    const everything = async (): Promise<RecordedEvent[]> => {
      const all: RecordedEvent[] = [];
      for (;;) {
        const page = await log.readAll(all.at(-1)?.position ?? 0, pageEventsMax);
        if (page.length === 0) return all;
        all.push(...page);
      }
    };

    describe('appends', () => {
      it('and gives back each event as it can be read from then on', async () => {
        const command = asked({
          status: 201,
          request_hash: 'hash',
          events: [
            noted({
              name: 'größe ✓ 😀',
              nothing: null,
              deep: { list: [1, 2.5, -0.1, 1e21, true] },
            }),
            noted({}, { type: 'default.changed' }),
          ],
        });
        const verdict = appended((await log.append([entryOf('model:t:a', 0, command)]))[0]![0]);
        expect(verdict).toMatchObject({ stream_version: 2, position: 2 });
        expect(await log.readStream('model:t:a', 0)).toEqual(verdict.events);
        expect(verdict.events[0]).toEqual({
          ...command.metadata,
          position: 1,
          id: command.events[0]!.id,
          type: 'model.updated',
          schema_version: 1,
          tenant: 't',
          stream: 'model:t:a',
          stream_version: 1,
          recorded_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
          data: command.events[0]!.data,
        });
        expect(verdict.events[1]).toMatchObject({ position: 2, stream_version: 2, data: {} });
        const head = await log.head();
        expect(head).toMatchObject({ position: 2, recorded_at: verdict.events[1]!.recorded_at });
      });

      it("a stream's commands in turn, each with any number of events", async () => {
        const [verdicts] = await log.append([
          entryOf(
            'model:t:a',
            0,
            asked({ events: [noted(), noted()] }),
            asked({ events: [], request_hash: 'nothing followed' }),
            asked(),
          ),
        ]);
        expect(verdicts!.map((verdict) => appended(verdict).stream_version)).toEqual([2, 2, 3]);
        expect(verdicts!.map((verdict) => appended(verdict).events.length)).toEqual([2, 0, 1]);
        expect((await log.readStream('model:t:a', 0)).map((event) => event.stream_version)).toEqual(
          [1, 2, 3],
        );
      });

      it('many streams at once, positions in the order of the batch', async () => {
        const verdicts = await log.append([
          entryOf('model:t:a', 0, asked(), asked()),
          entryOf('model:t:b', 0, asked({ events: [noted(), noted(), noted()] })),
          entryOf('tenant:t', 0, asked()),
        ]);
        const events = verdicts.flat().flatMap((verdict) => appended(verdict).events);
        expect(events.map((event) => event.position)).toEqual([1, 2, 3, 4, 5, 6]);
        expect(new Set(events.map((event) => event.recorded_at)).size).toBe(1);
        expect(await everything()).toEqual(events);
      });

      it('nothing, and says so', async () => {
        expect(await log.append([])).toEqual([]);
        expect((await log.head()).position).toBe(0);
      });

      it('a success without events, and remembers it', async () => {
        const command = asked({ events: [], request_hash: 'hash', status: 204 });
        await log.append([entryOf('model:t:a', 0, asked())]);
        expect(await log.append([entryOf('model:t:a', 1, command)])).toEqual([
          [{ verdict: 'appended', stream_version: 1, position: 1, events: [] }],
        ]);
        expect(await log.append([entryOf('model:t:a', 1, command)])).toEqual([
          [
            {
              verdict: 'duplicate',
              stream: 'model:t:a',
              stream_version: 1,
              position: 1,
              status: 204,
            },
          ],
        ]);
      });
    });

    describe('refuses', () => {
      it('a command that is recorded, and says what became of it', async () => {
        const command = asked({ request_hash: 'hash', status: 201 });
        await log.append([entryOf('model:t:a', 0, command)]);
        await log.append([entryOf('model:t:a', 1, asked())]);
        // also on another stream, as a new id may have been made for it, and at any version
        const again = await log.append([entryOf('model:t:other', 0, command)]);
        expect(again).toEqual([
          [
            {
              verdict: 'duplicate',
              stream: 'model:t:a',
              stream_version: 1,
              position: 1,
              status: 201,
            },
          ],
        ]);
        expect((await log.head()).position).toBe(2);
      });

      it('a command id that is recorded with another request', async () => {
        const command = asked({ request_hash: 'hash' });
        await log.append([entryOf('model:t:a', 0, command)]);
        const reused = await log.append([
          entryOf('model:t:a', 1, { ...command, request_hash: 'another' }),
          entryOf('model:t:b', 0, { ...command, request_hash: null }),
        ]);
        expect(kindsOf(reused)).toEqual([['key_reused'], ['key_reused']]);
        expect((await log.head()).position).toBe(1);
      });

      it('a stream that has moved', async () => {
        await log.append([entryOf('model:t:a', 0, asked())]);
        const verdicts = await log.append([
          entryOf('model:t:a', 0, asked(), asked()),
          entryOf('model:t:b', 1, asked()),
          entryOf('model:t:c', 0, asked()),
        ]);
        expect(kindsOf(verdicts)).toEqual([['conflict', 'conflict'], ['conflict'], ['appended']]);
        expect((await log.head()).position).toBe(2);
      });

      it('a decision on another stream that has moved, or moves in the same batch', async () => {
        await log.append([entryOf('policy:t:p', 0, asked())]);
        const resting = (on: { stream: string; version: number }[], stream: string) => ({
          ...entryOf(stream, 0, asked()),
          decided_on: on,
        });
        const moved = await log.append([
          resting([{ stream: 'policy:t:p', version: 0 }], 'model:t:a'),
          resting([{ stream: 'policy:t:p', version: 1 }], 'model:t:b'),
          resting([{ stream: 'policy:t:none', version: 0 }], 'model:t:c'),
          resting(
            [
              { stream: 'policy:t:none', version: 0 },
              { stream: 'policy:t:none', version: 1 },
            ],
            'model:t:d',
          ),
        ]);
        expect(kindsOf(moved)).toEqual([['conflict'], ['appended'], ['appended'], ['conflict']]);
        const moving = await log.append([
          resting([{ stream: 'policy:t:p', version: 1 }], 'model:t:e'),
          entryOf('policy:t:p', 1, asked()),
        ]);
        expect(kindsOf(moving)).toEqual([['conflict'], ['appended']]);
      });

      it('a name that another stream holds, or takes earlier in the same batch', async () => {
        const taking = () => asked({ takes: ['model-name:t:churn'] });
        const first = await log.append([
          entryOf('model:t:a', 0, taking()),
          entryOf('model:t:b', 0, taking()),
        ]);
        expect(kindsOf(first)).toEqual([['appended'], ['claimed']]);
        expect(kindsOf(await log.append([entryOf('model:t:c', 0, taking())]))).toEqual([
          ['claimed'],
        ]);
        expect(await log.findClaims(['model-name:t:churn', 'model-name:t:other'])).toEqual(
          new Map([['model-name:t:churn', 'model:t:a']]),
        );
      });

      it('a whole entry with one of its commands, and the others are undecided', async () => {
        const known = asked({ request_hash: 'hash' });
        await log.append([entryOf('model:t:a', 0, known)]);
        const verdicts = await log.append([
          entryOf('model:t:a', 1, asked({ takes: ['n'] }), known, asked()),
        ]);
        expect(kindsOf(verdicts)).toEqual([['undecided', 'duplicate', 'undecided']]);
        expect((await log.head()).position).toBe(1);
        expect((await log.findClaims(['n'])).size).toBe(0);
        const claimed = await log.append([
          entryOf('model:t:b', 0, asked({ takes: ['n'] })),
          entryOf('model:t:c', 0, asked(), asked({ takes: ['n'] })),
        ]);
        expect(kindsOf(claimed)).toEqual([['appended'], ['claimed', 'claimed']]);
        expect(await log.readStream('model:t:c', 0)).toEqual([]);
      });
    });

    describe('keeps names', () => {
      it('until the stream that holds them frees them', async () => {
        await log.append([entryOf('model:t:a', 0, asked({ takes: ['old'] }))]);
        // a stream frees nothing that is another's
        await log.append([entryOf('model:t:b', 0, asked({ frees: ['old'] }))]);
        expect(await log.findClaims(['old'])).toEqual(new Map([['old', 'model:t:a']]));
        await log.append([entryOf('model:t:a', 1, asked({ takes: ['new'], frees: ['old'] }))]);
        expect(await log.findClaims(['old', 'new'])).toEqual(new Map([['new', 'model:t:a']]));
        const again = await log.append([entryOf('model:t:b', 1, asked({ takes: ['old'] }))]);
        expect(kindsOf(again)).toEqual([['appended']]);
      });
    });

    describe('gives serials', () => {
      const registering = (stream: string) =>
        entryOf(
          stream,
          0,
          asked({
            events: [
              noted({ serial: 0 }, { type: 'model.registered', serial_kind: 'model' }),
              noted({ serial: 0, number: 1 }, { type: 'model.versioned', serial_kind: 'version' }),
            ],
          }),
        );

      it('by tenant and kind, without a gap, written into the data', async () => {
        const batches = [
          await log.append([registering('model:t:a'), registering('model:other:x')]),
          // a refused entry takes none
          await log.append([registering('model:t:a'), registering('model:t:b')]),
        ];
        const serials = batches
          .flat(2)
          .flatMap((verdict) =>
            verdict.verdict === 'appended'
              ? verdict.events.map((event) => [event.stream, event.data])
              : [],
          );
        expect(serials).toEqual([
          ['model:t:a', { serial: 1 }],
          ['model:t:a', { serial: 1, number: 1 }],
          ['model:other:x', { serial: 1 }],
          ['model:other:x', { serial: 1, number: 1 }],
          ['model:t:b', { serial: 2 }],
          ['model:t:b', { serial: 2, number: 1 }],
        ]);
        expect(await everything()).toMatchObject(
          serials.map(([stream, data]) => ({ stream, data })),
        );
      });

      it('by which things are found again, within their tenant', async () => {
        await log.append([registering('model:t:a'), registering('model:t:b')]);
        expect(await log.findSerial('t', 'model', 2)).toEqual({
          stream: 'model:t:b',
          number: null,
          version_id: null,
        });
        expect(await log.findSerial('t', 'version', 2)).toMatchObject({
          stream: 'model:t:b',
          number: 1,
        });
        expect(await log.findSerial('t', 'model', 3)).toBeNull();
        expect(await log.findSerial('other', 'model', 1)).toBeNull();
      });
    });

    describe('is read', () => {
      beforeEach(async () => {
        await log.append([
          entryOf('model:t:a', 0, asked({ events: [noted({ n: 1 }), noted({ n: 2 })] })),
          entryOf('model:other:b', 0, asked({ events: [noted({ n: 3 })] })),
          entryOf('tenant:t', 0, asked({ events: [noted({ n: 4 }, { type: 'tenant.created' })] })),
          entryOf(
            'model:t:c',
            0,
            asked({
              events: [noted({ n: 5, deployment_id: 'd1' }, { type: 'deployment.requested' })],
            }),
          ),
        ]);
      });
      const seen = (events: RecordedEvent[]) =>
        events.map((event) => (event.data as { n: number }).n);

      it('after a position, by pages, filtered', async () => {
        expect(seen(await log.readAll(0, 10))).toEqual([1, 2, 3, 4, 5]);
        expect(seen(await log.readAll(1, 2))).toEqual([2, 3]);
        expect(seen(await log.readAll(5, 10))).toEqual([]);
        expect(seen(await log.readAll(0, 10, { tenant: null }))).toEqual([1, 2, 3, 4, 5]);
        expect(seen(await log.readAll(0, 10, { tenant: 't' }))).toEqual([1, 2, 4, 5]);
        expect(seen(await log.readAll(0, 10, { tenant: 't', modelsOnly: true }))).toEqual([
          1, 2, 5,
        ]);
        expect(seen(await log.readAll(0, 2, { tenant: 't', modelsOnly: true }))).toEqual([1, 2]);
        expect(seen(await log.readAll(2, 9, { tenant: 't', modelsOnly: true }))).toEqual([5]);
        expect(seen(await log.readAll(0, 10, { tenant: 't', stream: 'model:t:a' }))).toEqual([
          1, 2,
        ]);
        expect(await log.readAll(0, 10, { tenant: 't', stream: 'model:other:b' })).toEqual([]);
        const types = ['tenant.created', 'deployment.requested'];
        expect(seen(await log.readAll(0, 10, { tenant: 't', types }))).toEqual([4, 5]);
        expect(seen(await log.readAll(0, 10, { tenant: 't', types, modelsOnly: true }))).toEqual([
          5,
        ]);
      });

      it('by pages of so many bytes where events are large', async () => {
        const bytes = eventDataBytesMax - 10;
        const large = Math.floor(pageBytesMax / bytes) + 2;
        for (let n = 0; n < large; n++)
          await log.append([
            entryOf(
              'model:t:large',
              n,
              asked({ events: [noted({ text: 'x'.repeat(bytes - 11) })] }),
            ),
          ]);
        const page = await log.readAll(5, pageEventsMax);
        expect(page.map(({ stream_version }) => stream_version)).toEqual(
          Array.from({ length: large - 1 }, (_, index) => index + 1),
        );
        expect(await everything()).toHaveLength(5 + large);
      });

      it('stream by stream, after a version, at most so many', async () => {
        expect(seen(await log.readStream('model:t:a', 0))).toEqual([1, 2]);
        expect(seen(await log.readStream('model:t:a', 1))).toEqual([2]);
        expect(seen(await log.readStream('model:t:a', 0, 1))).toEqual([1]);
        expect(await log.readStream('model:t:a', 0, 0)).toEqual([]);
        expect(await log.readStream('model:t:a', 2)).toEqual([]);
        expect(await log.readStream('model:t:none', 0)).toEqual([]);
      });

      it('event by event', async () => {
        const [event] = await log.readAll(0, 1);
        expect(await log.readEvent(event!.id)).toEqual(event);
        expect(await log.readEvent(randomUUID())).toBeNull();
      });

      it('for where a deployment began', async () => {
        expect(await log.findPart('t', 'deployment', 'd1')).toBe('model:t:c');
        expect(await log.findPart('other', 'deployment', 'd1')).toBeNull();
        expect(await log.findPart('t', 'deployment', 'd2')).toBeNull();
      });

      it('for a version', async () => {
        await log.append([
          entryOf(
            'model:t:d',
            0,
            asked({
              events: [noted({ n: 6, version_id: 'v1', number: 3 }, { type: 'model.versioned' })],
            }),
          ),
        ]);
        expect(await log.findVersion('t', 'v1')).toEqual({ stream: 'model:t:d', number: 3 });
        expect(await log.findVersion('other', 'v1')).toBeNull();
        expect(await log.findVersion('t', 'v2')).toBeNull();
      });

      it('for the children of a version in other streams, by every way to write its names', async () => {
        const id = '0194aaaa-0000-7000-8000-00000000000b';
        let n = 0;
        const versioned = (parent_versions: string[]) => ({
          ...noted(
            { n: n++, number: n, lineage: { parent_versions } },
            { type: 'model.versioned' },
          ),
        });
        const untold = noted({ n: 100, number: 9 }, { type: 'model.versioned' });
        const events = [[id.toUpperCase()], ['ä b/007'], ['x', 'ä b/v 1'], [], ['7'], ['ä b/70']];
        const made = asked({ events: [...events.map(versioned), untold] });
        await log.append([entryOf('model:t:d', 0, made)]);
        await log.append([entryOf('model:other:e', 0, asked({ events: [versioned([id])] }))]);
        const find = async (limit: number, except = 'model:t:e', tenant = 't') =>
          await log.findChildren(tenant, [id, 'ä b/7', 'ä b/v 1'], except, limit);
        const children = [1, 2, 3].map((number) => ({ stream: 'model:t:d', number }));
        expect(await find(10)).toEqual(children);
        expect(await find(2)).toEqual(children.slice(0, 2));
        expect(await find(10, 'model:t:d')).toEqual([]);
        expect(await find(10, 'model:t:e', 'nobody')).toEqual([]);
      });

      it.each(Object.entries(parts))('for a %s', async (kind, { id, begins }) => {
        const made = asked({ events: [noted({ n: 6, [id]: 'p1' }, { type: begins[0] })] });
        await log.append([entryOf('model:t:d', 0, made)]);
        const find = (tenant: string, one: string) => log.findPart(tenant, kind as PartKind, one);
        expect(await find('t', 'p1')).toBe('model:t:d');
        expect(await find('other', 'p1')).toBeNull();
        expect(await find('t', 'p2')).toBeNull();
      });

      it('for who was last given a name, up to a position', async () => {
        const named = (n: number, type: string, name: string) =>
          asked({ events: [noted({ n, name }, { type })] });
        const before = (await log.head()).position;
        await log.append([entryOf('model:t:d', 0, named(6, 'model.registered', 'ä b'))]);
        await log.append([entryOf('model:t:d', 1, named(7, 'model.renamed', 'c'))]);
        await log.append([entryOf('model:t:e', 0, named(8, 'model.restored', 'ä b'))]);
        await log.append([entryOf('model:t:e', 1, named(9, 'model.updated', 'c'))]);
        const heldAt = async (name: string, after: number, tenant = 't') =>
          await log.findNamed(tenant, name, before + after);
        expect(await heldAt('ä b', 0)).toBeNull();
        expect(await heldAt('ä b', 1)).toBe('model:t:d');
        expect(await heldAt('ä b', 2)).toBe('model:t:d');
        expect(await heldAt('ä b', 3)).toBe('model:t:e');
        expect(await heldAt('c', 1)).toBeNull();
        expect(await heldAt('c', 4)).toBe('model:t:d');
        expect(await heldAt('ä b', 4, 'other')).toBeNull();
      });

      it('for the position at a time', async () => {
        const events = await log.readAll(0, pageEventsMax);
        for (const { recorded_at } of events) {
          const last = events.findLast((event) => event.recorded_at <= recorded_at)!;
          expect(await log.positionAt(recorded_at)).toBe(last.position);
        }
        expect(await log.positionAt('1900-01-01T00:00:00.000Z')).toBe(0);
        expect(await log.positionAt('2999-01-01T00:00:00.000Z')).toBe(events.at(-1)!.position);
      });

      it('for versions and commands in one look', async () => {
        const command = asked({ request_hash: 'hash', status: 201 });
        await log.append([entryOf('model:t:a', 2, command)]);
        const unknown = randomUUID();
        const found = await log.lookUp(
          ['model:t:a', 'model:t:none', 'tenant:t'],
          [command.command_id, unknown],
        );
        expect(found.versions).toEqual(
          new Map([
            ['model:t:a', 3],
            ['model:t:none', 0],
            ['tenant:t', 1],
          ]),
        );
        expect([...found.commands.values()]).toEqual([
          {
            command_id: command.command_id,
            request_hash: 'hash',
            stream: 'model:t:a',
            stream_version: 3,
            position: 6,
            status: 201,
          },
        ]);
        expect(await log.lookUp([], [])).toEqual({ versions: new Map(), commands: new Map() });
      });

      it('never more than a page at once', async () => {
        const events = Array.from({ length: pageEventsMax }, () => noted());
        await log.append([entryOf('model:t:z', 0, asked({ events }))]);
        expect(await log.readAll(0, pageEventsMax * 2)).toHaveLength(pageEventsMax);
        expect(await log.readStream('model:t:z', 0)).toHaveLength(pageEventsMax);
      });
    });

    it.each([
      ['quotes', `"a" 'b' ""`],
      ['braces, brackets and commas', '{a,b} (c,d) [e] ,'],
      ['backslashes', '\\ \\" \\\\u0041 \\x1e'],
      ['spaces and line breaks', ' a\n\tb '],
      ['what is written as NULL', 'NULL'],
      ['what other scripts and planes write', 'zoë ✓ 模型 🧪'],
      ['control characters', 'a\u001eb\u0001c'],
      ['nothing', ''],
    ])('takes every name as it is: with %s', async (_, name) => {
      const [claim, other, stream] = [`c:${name}`, `d:${name}`, `policy:t:${name}`];
      const scope = `team:${name}` as const;
      await log.append([entryOf(stream, 0, asked({ takes: [claim, name] }))]);
      const verdicts = await log.append([
        {
          ...entryOf(
            'model:t:a',
            0,
            asked({
              events: [noted({ name })],
              request_hash: name,
              takes: [other],
              scopes: [{ kind: 'team', scope }],
            }),
          ),
          decided_on: [{ stream, version: 1 }],
        },
      ]);
      const { events } = appended(verdicts[0]![0]);
      expect(await log.readStream('model:t:a', 0)).toEqual(events);
      expect(events[0]!.data).toEqual({ name });
      const held = new Map([
        [claim, stream],
        [name, stream],
        [other, 'model:t:a'],
      ]);
      expect(await log.findClaims([claim, name, other])).toEqual(held);
      expect(await log.isInScope('model:t:a', [scope])).toBe(true);
      const { commands } = await log.lookUp([], [events[0]!.command_id]);
      expect(commands.get(events[0]!.command_id)!.request_hash).toBe(name);
    });

    describe('knows the scopes of models', () => {
      const team = (scope: Scope | null): ScopeOfModel => ({ kind: 'team', scope });
      const place = (stream: string, version: number, ...scopes: ScopeOfModel[]): AppendEntry =>
        entryOf(stream, version, asked({ scopes }));
      const seen = async (...scopes: Scope[]): Promise<string[]> =>
        (await log.readAll(0, 100, { tenant: 't', scopes })).map(({ stream }) => stream);

      it('and reads the events of those alone', async () => {
        await log.append([
          place('model:t:a', 0, team('team:x')),
          place('model:t:b', 0, team('team:y'), { kind: 'project', scope: 'project:x' }),
          place('model:t:c', 0),
        ]);
        expect(await seen('team:x')).toEqual(['model:t:a']);
        expect(await seen('project:x')).toEqual(['model:t:b']);
        expect(await seen('team:x', 'team:y')).toEqual(['model:t:a', 'model:t:b']);
        expect(await seen()).toEqual([]);
        expect(await log.isInScope('model:t:b', ['team:x', 'project:x'])).toBe(true);
        expect(await log.isInScope('model:t:b', ['team:x'])).toBe(false);
        expect(await log.isInScope('model:t:c', ['team:x'])).toBe(false);
      });

      it('as they are now, the last of one append too', async () => {
        const a = 'model:t:a';
        await log.append([place(a, 0, team('team:x'))]);
        await log.append([
          entryOf(
            a,
            1,
            asked({ scopes: [team('team:y')] }),
            asked({ scopes: [team(null)] }),
            asked({ scopes: [team('team:z')] }),
          ),
        ]);
        for (const [scope, isIn] of [
          ['team:x', false],
          ['team:y', false],
          ['team:z', true],
        ] as const)
          expect(await log.isInScope(a, [scope]), scope).toBe(isIn);
        await log.append([place(a, 4, team(null))]);
        expect(await seen('team:z')).toEqual([]);
      });
    });

    describe('keeps snapshots', () => {
      const textsOf = ({ parts }: { parts: readonly SnapshotPart[] }): string[] =>
        parts.map((part) => part());
      const partsOf = (...texts: string[]): SnapshotPart[] => texts.map((text) => () => text);

      it('of one fold version a stream, and never an older one', async () => {
        const kept = async (foldVersion: number) => {
          const { snapshot } = await log.readFromSnapshot('model:t:a', foldVersion);
          return snapshot && [snapshot.stream_version, ...textsOf(snapshot)];
        };
        expect(await kept(1)).toBeNull();
        await log.saveSnapshot('model:t:a', 1, 500, partsOf('five hundred'));
        await log.saveSnapshot('model:t:a', 1, 400, partsOf('four hundred'));
        expect(await kept(1)).toEqual([500, 'five hundred']);
        expect(await kept(2)).toBeNull();
        await log.saveSnapshot('model:t:a', 2, 300, partsOf('by another fold'));
        expect(await kept(1)).toBeNull();
        expect(await kept(2)).toEqual([300, 'by another fold']);
      });

      it('in as many parts as they were given in, empty ones too', async () => {
        const parts = ['first', '', 'zoë ✓ 🧪\n'.repeat(20_000), 'last'];
        await log.saveSnapshot('model:t:a', 1, 1, partsOf(...parts));
        const { snapshot } = await log.readFromSnapshot('model:t:a', 1);
        expect(textsOf(snapshot!)).toEqual(parts);
        // in whatever order, and again
        expect([3, 1, 3].map((nth) => snapshot!.parts[nth]!())).toEqual(['last', '', 'last']);
      });

      it('of parts that were read or saved before as they are, beside new ones', async () => {
        const [one, two, three] = partsOf('one', 'two', 'three');
        await log.saveSnapshot('model:t:a', 1, 1, [one!, two!]);
        const read = (await log.readFromSnapshot('model:t:a', 1)).snapshot!.parts;
        await log.saveSnapshot('model:t:a', 1, 2, [three!, read[0]!, two!, read[0]!]);
        const { snapshot } = await log.readFromSnapshot('model:t:a', 1);
        expect(textsOf(snapshot!)).toEqual(['three', 'one', 'two', 'one']);
      });

      it('of each of many streams that are asked for in one moment', async () => {
        const streams = Array.from({ length: 120 }, (_, n) => `model:t:${n}`);
        await log.append(
          streams.map((stream) => entryOf(stream, 0, asked({ events: [noted(), noted()] }))),
        );
        await log.saveSnapshot('model:t:7', 1, 1, partsOf('seven'));
        const found = await Promise.all(
          ['model:t:none', ...streams].map((stream) => log.readFromSnapshot(stream, 1)),
        );
        const seen = found.map(({ snapshot, events }) => [
          ...(snapshot === null ? [null] : textsOf(snapshot)),
          ...events.map((event) => `${event.stream}@${event.stream_version}`),
        ]);
        expect(seen).toEqual([
          [null],
          ...streams.map((stream) =>
            stream === 'model:t:7'
              ? ['seven', `${stream}@2`]
              : [null, `${stream}@1`, `${stream}@2`],
          ),
        ]);
      });

      it('and all that happened after them, however much', async () => {
        const a = 'model:t:a';
        for (let version = 0; version < 2_500; version += 500) {
          const events = Array.from({ length: 500 }, () => noted());
          await log.append([entryOf(a, version, asked({ events }))]);
        }
        const { events } = await log.readFromSnapshot(a, 1);
        expect(events.map((event) => event.stream_version)).toEqual(
          Array.from({ length: 2_500 }, (_, n) => n + 1),
        );
      });

      it('and gives with one what happened after it, and without one all that happened', async () => {
        const a = 'model:t:a';
        await log.append([entryOf(a, 0, asked({ events: [noted(), noted(), noted()] }))]);
        const versions = async (foldVersion: number) =>
          (await log.readFromSnapshot(a, foldVersion)).events.map((event) => event.stream_version);
        expect(await versions(1)).toEqual([1, 2, 3]);
        await log.saveSnapshot(a, 1, 2, partsOf('two'));
        expect(await versions(1)).toEqual([3]);
        expect(await versions(2)).toEqual([1, 2, 3]);
        await log.saveSnapshot(a, 1, 3, partsOf('three'));
        expect(await versions(1)).toEqual([]);
      });
    });

    describe('with many writers at once', () => {
      const writers = 12;
      const batchesEach = 20;

      it('has no gap, forgets nothing, and a reader by position skips nothing', async () => {
        const handles = await Promise.all(Array.from({ length: 4 }, () => under.open()));
        let writing = writers;
        const acknowledged: RecordedEvent[] = [];

        /** Writes to a stream of its own and to one that all share, as often as it takes. */
        async function write(writer: number): Promise<void> {
          const handle = handles[writer % handles.length]!;
          let own = 0;
          let shared = 0;
          for (let batch = 0; batch < batchesEach;) {
            const verdicts = await handle.append([
              entryOf(
                `model:t:${writer}`,
                own,
                asked({
                  events: [
                    noted({ serial: 0 }, { type: 'model.versioned', serial_kind: 'version' }),
                  ],
                }),
              ),
              entryOf('model:t:shared', shared, asked({ takes: [`${writer}-${batch}`] }), asked()),
            ]);
            for (const verdict of verdicts.flat())
              if (verdict.verdict === 'appended') acknowledged.push(...verdict.events);
            own = appended(verdicts[0]![0]).stream_version;
            const isShared = verdicts[1]![0]!.verdict === 'appended';
            if (isShared) batch++;
            shared = (await handle.lookUp(['model:t:shared'], [])).versions.get('model:t:shared')!;
          }
          writing--;
        }

        const polled: RecordedEvent[] = [];
        async function poll(): Promise<void> {
          const handle = await under.open();
          for (;;) {
            const isLast = writing === 0;
            const page = await handle.readAll(polled.at(-1)?.position ?? 0, 100);
            polled.push(...page);
            if (isLast && page.length === 0) return;
          }
        }

        await Promise.all([poll(), ...Array.from({ length: writers }, (_, index) => write(index))]);
        const all = await everything();
        expect(all.map((event) => event.position)).toEqual(all.map((_, index) => index + 1));
        expect(polled).toEqual(all);
        expect(acknowledged.toSorted((one, other) => one.position - other.position)).toEqual(all);
        const times = all.map((event) => event.recorded_at);
        expect(times).toEqual(times.toSorted());
        const versions = new Map<string, number[]>();
        for (const { stream, stream_version } of all)
          versions.set(stream, [...(versions.get(stream) ?? []), stream_version]);
        expect(versions.size).toBe(writers + 1);
        for (const [stream, given] of versions)
          expect(given, stream).toEqual(given.map((_, index) => index + 1));
        expect(versions.get('model:t:shared')).toHaveLength(writers * batchesEach * 2);
        const serials = all
          .filter(({ type }) => type === 'model.versioned')
          .map(({ data }) => (data as { serial: number }).serial);
        expect(serials).toEqual(serials.map((_, index) => index + 1));
      });
    });
  });
}
