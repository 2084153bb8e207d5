// A local server that ends by itself is started again, until it is told to stop.
import { expect, onTestFinished, test } from 'vitest';
import { keepUp } from '#infra/local/keep-up.ts';
import type { ProcessExit } from '#infra/local/process.ts';
import { eventually } from '#test/eventually.ts';

const killed: ProcessExit = { code: null, signal: 'SIGKILL' };

/** Servers that end when a test says so. */
function manyServers(options: { failing?: number[] } = {}) {
  const begun: { end: () => void; isStopped: boolean }[] = [];
  const seen = { starts: 0, lost: 0, back: 0, failed: 0 };
  async function start() {
    seen.starts++;
    if (options.failing?.includes(seen.starts)) throw new Error('no room');
    const { promise: exited, resolve } = Promise.withResolvers<ProcessExit>();
    const one = { end: () => resolve(killed), isStopped: false };
    begun.push(one);
    return {
      exited,
      async stop() {
        one.isStopped = true;
        resolve(killed);
      },
    };
  }
  return {
    begun,
    seen,
    keptUp: async () => {
      const kept = await keepUp({
        start,
        onLost: () => void seen.lost++,
        onBack: () => void seen.back++,
        onFailed: () => void seen.failed++,
      });
      onTestFinished(() => kept.stop());
      return kept;
    },
  };
}

test('one that ends is freed and started again, and told of both times', async () => {
  const { begun, seen, keptUp } = manyServers();
  await keptUp();
  for (const turn of [1, 2]) {
    begun.at(-1)!.end();
    await eventually(() => expect(seen.back).toBe(turn));
  }
  expect(begun.map(({ isStopped }) => isStopped)).toEqual([true, true, false]);
  expect(seen).toEqual({ starts: 3, lost: 2, back: 2, failed: 0 });
});

test('a start that fails is tried again, but the first is told to whoever asked', async () => {
  const { begun, seen, keptUp } = manyServers({ failing: [2, 3] });
  await keptUp();
  begun[0]!.end();
  await eventually(() => expect(seen).toEqual({ starts: 4, lost: 1, back: 1, failed: 2 }));
  await expect(manyServers({ failing: [1] }).keptUp()).rejects.toThrow('no room');
});

test('stopping ends the one that runs, and none follows', async () => {
  const { begun, seen, keptUp } = manyServers();
  const kept = await keptUp();
  await kept.stop();
  expect(begun.map(({ isStopped }) => isStopped)).toEqual([true]);
  expect(seen).toEqual({ starts: 1, lost: 0, back: 0, failed: 0 });
});

test('stopping in a pause before the next start ends the pause', async () => {
  const { begun, seen, keptUp } = manyServers();
  const kept = await keptUp();
  begun[0]!.end();
  await eventually(() => expect(seen.lost).toBe(1));
  await kept.stop();
  expect(begun).toHaveLength(1);
});
