// Reads are as fresh as the log: who waits for what, and who is told that the views are behind.
import { afterEach, expect, test } from 'vitest';
import { openFreshness } from '#services/projector/freshness.ts';
import type { Freshness } from '#services/projector/freshness.ts';
import { eventually } from '#test/eventually.ts';

/** A log's head and a view's place in a database, both moved by the test. */
function place() {
  const at = {
    head: 0,
    view: 0,
    versions: {} as Record<string, number>,
    headQuestions: 0,
    headAnswers: [] as (() => void)[],
    isHeld: false,
  };
  const freshness = openFreshness({
    findHead: async (streams) => {
      at.headQuestions++;
      const { head } = at;
      const versions = new Map(streams.map((stream) => [stream, at.versions[stream] ?? 0]));
      if (at.isHeld) await new Promise<void>((resolve) => at.headAnswers.push(resolve));
      return { position: head, versions };
    },
    findPosition: async () => at.view,
  });
  opened.push(freshness);
  return { at, freshness };
}

const opened: Freshness[] = [];
afterEach(() => {
  for (const freshness of opened.splice(0)) freshness.close();
});

test('a read waits for what the log had when it came, and no longer', async () => {
  const { at, freshness } = place();
  at.head = 5;
  let answered = false;
  const read = freshness.fresh().finally(() => (answered = true));
  freshness.reached(4);
  await eventually(() => at.headQuestions === 1);
  expect(answered).toBe(false);
  at.head = 9;
  freshness.reached(5);
  expect(await read).toEqual({ position: 5, isStale: false });
});

test('a read never joins a question about the head that is under way', async () => {
  const { at, freshness } = place();
  at.isHeld = true;
  at.head = 1;
  const first = freshness.fresh();
  at.head = 2;
  const others = [freshness.fresh(), freshness.fresh()];
  freshness.reached(1);
  at.headAnswers.pop()!();
  expect(await first).toEqual({ position: 1, isStale: false });
  await eventually(() => at.headQuestions === 2);
  at.headAnswers.pop()!();
  freshness.reached(2);
  expect(await Promise.all(others)).toEqual([
    { position: 2, isStale: false },
    { position: 2, isStale: false },
  ]);
  expect(at.headQuestions).toBe(2);
});

test('a read of a stream that the log has no more of waits for nothing', async () => {
  const { at, freshness } = place();
  at.head = 9;
  at.versions['model:default:1'] = 3;
  expect(await freshness.freshOrUnchanged('model:default:1', 3)).toEqual({
    position: 9,
    isStale: false,
    isUnchanged: true,
  });
});

test('a read of a stream that the log has more of waits as any other', async () => {
  const { at, freshness } = place();
  at.head = 9;
  at.versions['model:default:1'] = 4;
  const others = [freshness.fresh(), freshness.freshOrUnchanged('model:default:1', 4)];
  const read = freshness.freshOrUnchanged('model:default:1', 3);
  await eventually(() => at.headQuestions === 2);
  freshness.reached(9);
  expect(await read).toEqual({ position: 9, isStale: false, isUnchanged: false });
  expect(await Promise.all(others)).toMatchObject([{ position: 9 }, { isUnchanged: true }]);
});

test('a process that applies nothing itself finds out by the database', async () => {
  const { at, freshness } = place();
  at.head = 3;
  const read = freshness.fresh();
  at.view = 3;
  expect(await read).toEqual({ position: 3, isStale: false });
});

test('views that stay behind for more than a second are not waited for', async () => {
  const { at, freshness } = place();
  at.head = 10;
  freshness.reached(7);
  expect(await freshness.fresh()).toEqual({ position: 7, isStale: true });
  at.view = 7;
  const asked = at.headQuestions;
  expect(await freshness.fresh()).toEqual({ position: 7, isStale: true });
  expect(at.headQuestions).toBe(asked + 1);
  freshness.reached(10);
  expect(await freshness.fresh()).toEqual({ position: 10, isStale: false });
});

test('a head that was seen long ago does not make views stale that have come up since', async () => {
  const { at, freshness } = place();
  at.head = 1;
  expect(await freshness.fresh()).toEqual({ position: 0, isStale: true });
  at.view = 1;
  at.head = 2;
  const read = freshness.fresh();
  at.view = 2;
  expect(await read).toEqual({ position: 2, isStale: false });
});

test('a read that does not wait is told what is known', async () => {
  const { at, freshness } = place();
  at.head = 8;
  at.view = 6;
  expect(await freshness.eventual()).toEqual({ position: 6, isStale: false });
});

test('a read that names a position waits for it', async () => {
  const { at, freshness } = place();
  const read = freshness.atLeast(4);
  freshness.reached(3);
  at.view = 4;
  expect(await read).toEqual({ position: 4, isStale: false });
  expect(await freshness.atLeast(2)).toEqual({ position: 4, isStale: false });
});

test('a log that does not answer fails the reads that asked, and not those after', async () => {
  let isDown = true;
  const freshness = openFreshness({
    findHead: async () => {
      if (isDown) throw new Error('down');
      return { position: 0, versions: new Map() };
    },
    findPosition: async () => 0,
  });
  opened.push(freshness);
  await expect(freshness.fresh()).rejects.toThrow('down');
  await expect(freshness.freshOrUnchanged('model:default:1', 1)).rejects.toThrow('down');
  isDown = false;
  expect(await freshness.fresh()).toEqual({ position: 0, isStale: false });
});
