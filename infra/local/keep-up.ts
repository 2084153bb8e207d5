// Keeps a local server up: one that ends without being asked to is started again, for as long as this process lives.
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessExit } from './process.ts';

type LocalServer = { exited: Promise<ProcessExit>; stop(): Promise<void> };

const pauseMsFirst = 500;
/** What was in the way of a start is over for so long at most before somebody notices. */
const pauseMsMax = 10_000;
/** One that ran for so long has not ended because of how it was started, so the next is started at once. */
const steadyMs = 60_000;

export type KeptUp<Server> = {
  /** The one that was started first; those that follow are to be had in the same place. */
  first: Server;
  /** Ends the one that runs, or gives up the start of the next. */
  stop: () => Promise<void>;
};

/**
 * Starts a server and watches it. Where it ends, `start` is called again, with a pause before it that grows while it does not
 * last.
 * @throws what the first `start` throws
 */
export async function keepUp<Server extends LocalServer>(options: {
  start: (signal: AbortSignal) => Promise<Server>;
  onLost: (exit: ProcessExit) => void;
  onBack: () => void;
  /** A start failed, and is tried again. */
  onFailed: (error: unknown) => void;
}): Promise<KeptUp<Server>> {
  const { start, onLost, onBack, onFailed } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<null>((resolve) =>
    signal.addEventListener('abort', () => resolve(null)),
  );

  /** The next that runs; null where it is to be none. */
  async function startAgain(attempt: number): Promise<Server | null> {
    for (let at = attempt; !signal.aborted; at++) {
      const pauseMs = at === 0 ? 0 : Math.min(pauseMsFirst * 2 ** (at - 1), pauseMsMax);
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      try {
        return await start(signal);
      } catch (error) {
        if (!signal.aborted) onFailed(error);
      }
    }
    return null;
  }

  async function watch(server: Server): Promise<void> {
    let attempt = 0;
    for (let running: Server | null = server; running !== null;) {
      const startedAt = performance.now();
      const exit = await Promise.race([running.exited, stopped]);
      // also of a server that is dead: its folder is free then
      await running.stop();
      if (exit === null || signal.aborted) return;
      onLost(exit);
      attempt = performance.now() - startedAt > steadyMs ? 0 : attempt + 1;
      running = await startAgain(attempt);
      if (running !== null) onBack();
    }
  }

  const first = await start(signal);
  const watching = watch(first);
  return {
    first,
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}
