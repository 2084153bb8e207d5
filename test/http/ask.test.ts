// How commands wait, go together, and fail alone: the batches of the command API, on a log whose pace a test sets.
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { batchCommandsMax, LogUnavailable } from '#events/log.ts';
import type { AppendEntry, EventLog } from '#events/log.ts';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelStream } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import { openAsk } from '#services/command-api/ask/ask.ts';
import { waitingCommandsMax } from '#services/command-api/ask/intake.ts';
import { modelKind } from '#services/command-api/kinds.ts';
import { openStreams } from '#services/command-api/streams.ts';
import { memoryLogStore, openMemoryLog } from '#test/memory-log.ts';
import { noModelFacts, noon } from '#test/rules/history.ts';
import { newVersion } from '#test/rules/wanted.ts';
import { commonAt } from '#test/rules/wanted.ts';

/** A log that answers each append as the test says. */
function opened(
  append: (entries: readonly AppendEntry[], log: EventLog) => ReturnType<EventLog['append']>,
) {
  const log = openMemoryLog(memoryLogStore());
  const batches: (readonly AppendEntry[])[] = [];
  const watched: EventLog = {
    ...log,
    append: async (entries) => {
      batches.push(entries);
      return await append(entries, log);
    },
  };
  const bugs: string[] = [];
  const ask = openAsk({
    log: watched,
    streams: openStreams(watched, (error) => {
      throw error;
    }),
    now: () => new Date(noon),
    metrics: { batch: () => undefined, recorded: () => undefined },
    onBug: (error, where) => bugs.push(`${where}: ${error.message}`),
  });

  const submit = (
    stream: string,
    command: Record<string, unknown> & { type: ModelCommand['type'] },
    isNew = false,
  ): Promise<{ stream_version: number } | Problem> =>
    ask
      .submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, null>({
        kind: modelKind,
        stream,
        isNew,
        tenant: 'default',
        actor: {
          subject: 'zoë',
          type: 'user',
          auth_method: 'api_key',
          key_id: null,
          declared_by: null,
        },
        command: (at) => ({ ...commonAt(at), ...command }) as ModelCommand,
        command_id: randomUUID(),
        request_hash: null,
        status: 200,
        reason: null,
        dry_run: false,
        answer: () => null,
      })
      .catch((error: unknown) => {
        if (error instanceof Problem) return error;
        throw error;
      });

  const register = (name: string) => {
    const model_id = randomUUID();
    const stream = modelStream('default', model_id);
    const command = {
      type: 'RegisterModel',
      model_id,
      name,
      facts: noModelFacts,
      first_version: null,
    } as const;
    return { stream, registered: submit(stream, command, true) };
  };
  const addVersion = (stream: string, number: number, label: string | null = null) =>
    submit(stream, { type: 'CreateVersion', version: newVersion(number, { facts: { label } }) });
  return { ask, batches, bugs, log, submit, register, addVersion };
}

const through = (entries: readonly AppendEntry[], log: EventLog) => log.append(entries);
const codeOf = (answer: { stream_version: number } | Problem): string =>
  answer instanceof Problem ? answer.code : 'done';

test('what waits while an append is in flight goes into the next one, and not more than fits', async () => {
  const gate = Promise.withResolvers<void>();
  const { batches, register } = opened(async (entries, log) => {
    await gate.promise;
    return await log.append(entries);
  });
  const first = register('first').registered;
  await expect.poll(() => batches.length).toBe(1);
  const others = Array.from(
    { length: batchCommandsMax + 7 },
    (_, nth) => register(`m${nth}`).registered,
  );
  gate.resolve();
  expect((await Promise.all([first, ...others])).map(codeOf)).toEqual(
    Array.from({ length: batchCommandsMax + 8 }, () => 'done'),
  );
  expect(batches.map((entries) => entries.length)).toEqual([1, batchCommandsMax, 7]);
});

test('commands of one stream go together, each on what the one before left', async () => {
  const { batches, register, addVersion } = opened(through);
  const { stream, registered } = register('together');
  await registered;
  const answers = await Promise.all([1, 2, 3, 4].map((number) => addVersion(stream, number)));
  expect(answers).toMatchObject([
    { stream_version: 3 },
    { stream_version: 4 },
    { stream_version: 5 },
    { stream_version: 6 },
  ]);
  expect(batches).toHaveLength(2);
  expect(batches[1]).toMatchObject([{ stream, expected_version: 1, commands: { length: 4 } }]);
});

test('past so many that wait nothing is taken in, and what was taken in is answered', async () => {
  const gate = Promise.withResolvers<void>();
  const { ask, register } = opened(async (entries, log) => {
    await gate.promise;
    return await log.append(entries);
  });
  const taken = Array.from(
    { length: waitingCommandsMax },
    (_, nth) => register(`m${nth}`).registered,
  );
  expect(ask.waitingCommands()).toBe(waitingCommandsMax);
  const late = await Promise.all([register('late').registered, register('later').registered]);
  expect(late.map(codeOf)).toEqual(['overloaded', 'overloaded']);
  const drained = ask.drain();
  gate.resolve();
  expect(new Set((await Promise.all(taken)).map(codeOf))).toEqual(new Set(['done']));
  await drained;
  expect(ask.waitingCommands()).toBe(0);
  expect(codeOf(await register('after the end').registered)).toBe('overloaded');
});

describe('a log that does not answer', () => {
  test.each([
    [true, 'in_doubt'],
    [false, 'overloaded'],
  ])(
    'in doubt %s is %s to who was sent, and whoever waits behind is told at once',
    async (inDoubt, code) => {
      const gate = Promise.withResolvers<void>();
      let isAway = true;
      const { batches, register } = opened(async (entries, log) => {
        await gate.promise;
        if (isAway) throw new LogUnavailable('away', { inDoubt });
        return await log.append(entries);
      });
      const sent = register('sent').registered;
      await expect.poll(() => batches.length).toBe(1);
      const behind = [register('behind').registered, register('behind it').registered];
      gate.resolve();
      expect(codeOf(await sent)).toBe(code);
      expect((await Promise.all(behind)).map(codeOf)).toEqual(['overloaded', 'overloaded']);
      expect(batches).toHaveLength(1);
      isAway = false;
      expect(codeOf(await register('back').registered)).toBe('done');
    },
  );
});

test('a value that the log refuses fails its own command, and no other of its entry', async () => {
  const refuses = (entry: AppendEntry) =>
    entry.commands.some(({ events }) =>
      events.some(({ data }) => JSON.stringify(data).includes('"bad"')),
    );
  const { bugs, register, addVersion, log } = opened(async (entries, real) => {
    const good = entries.filter((entry) => !refuses(entry));
    const verdicts = await real.append(good);
    return entries.map((entry) =>
      refuses(entry)
        ? entry.commands.map(() => ({ verdict: 'failed' as const, error: new Error('refused') }))
        : verdicts[good.indexOf(entry)]!,
    );
  });
  const { stream, registered } = register('one bad');
  await registered;
  const answers = await Promise.all(
    ['a', 'bad', 'b', 'c'].map((label, nth) => addVersion(stream, nth + 1, label)),
  );
  expect(answers.map(codeOf)).toEqual(['done', 'internal', 'done', 'done']);
  expect(bugs).toEqual(['append: refused']);
  const labels = (await log.readStream(stream, 0)).flatMap(
    ({ data }) => (data as { label?: string }).label ?? [],
  );
  expect(labels.toSorted()).toEqual(['a', 'b', 'c']);
});

test('a bug in a rule fails its own command, and no other', async () => {
  const { bugs, register, submit, addVersion } = opened(through);
  const { stream, registered } = register('a bug');
  await registered;
  const answers = await Promise.all([
    addVersion(stream, 1),
    // no such thing can come through the API: the rules fall over it
    submit(stream, { type: 'CreateVersion', version: null }),
    addVersion(stream, 2),
  ]);
  expect(answers.map(codeOf)).toEqual(['done', 'internal', 'done']);
  // it was decided again when what it rested on was recorded
  expect(bugs.map((bug) => bug.split(':')[0])).toEqual(['decide', 'decide']);
});
