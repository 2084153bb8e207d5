// Watches how far views and relay are behind while a load runs, and waits until they are not.
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './scenario.ts';
import type { System } from './system.ts';

// Four times a second: a view that is a second behind cannot hide, and the asking costs nothing.
const sampleIntervalMs = 250;
const settleIntervalMs = 50;

/** `maxSeconds` and `maxRelayEvents` are null if the services never said. */
export type LagSeen = {
  samples: number;
  maxSeconds: number | null;
  slowestView: string | null;
  maxRelayEvents: number | null;
};

/** Samples the lag while `work` runs. */
export async function watchingLag<Result>(
  system: System,
  work: () => Promise<Result>,
): Promise<{ result: Result; lag: LagSeen }> {
  const lag: LagSeen = { samples: 0, maxSeconds: null, slowestView: null, maxRelayEvents: null };
  const stop = new AbortController();
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { projectorSeconds, relayEvents } = await system.lag();
      lag.samples += 1;
      for (const [view, seconds] of Object.entries(projectorSeconds)) {
        if (lag.maxSeconds !== null && seconds <= lag.maxSeconds) continue;
        lag.maxSeconds = seconds;
        lag.slowestView = view;
      }
      if (relayEvents !== null) lag.maxRelayEvents = Math.max(lag.maxRelayEvents ?? 0, relayEvents);
      await delay(sampleIntervalMs, undefined, { signal: stop.signal }).catch(ignoreAbort);
    }
  };
  const watching = watch();
  // A watch that fails is told of below, when the load is over; until then it is nobody's unhandled rejection.
  watching.catch(() => {});
  let result: Result;
  try {
    result = await work();
  } finally {
    stop.abort();
  }
  await watching;
  return { result, lag };
}

/** Waits until relay and views have all there is. Returns after how many ms, or null if that takes longer than `timeoutMs`. */
export async function waitUntilCaughtUp(
  bench: Bench,
  system: System,
  timeoutMs: number,
): Promise<number | null> {
  const startMs = performance.now();
  for (;;) {
    const { projectorEvents, relayEvents } = await system.lag();
    const behind = [...Object.values(projectorEvents), relayEvents ?? 0];
    const waitedMs = performance.now() - startMs;
    if (Object.keys(projectorEvents).length > 0 && behind.every((events) => events === 0))
      return waitedMs;
    if (waitedMs > timeoutMs) return null;
    await delay(settleIntervalMs, undefined, { signal: bench.signal });
  }
}

function ignoreAbort(cause: unknown): void {
  if (!(cause instanceof Error && cause.name === 'AbortError')) throw cause;
}
