// Waits for what must come true by itself, so that no test sleeps.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Calls `attempt` until it neither throws nor returns a falsy value, and returns what it returned; a function that
 * returns nothing has only to stop throwing.
 * @throws Error with the last failure, when `timeoutMs` have passed
 */
export async function eventually<Result>(
  attempt: () => Result | Promise<Result>,
  { timeoutMs = 10_000, intervalMs = 20 }: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<Result> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const result = await attempt();
      if (result || result === undefined) return result;
      failure = `it returned ${String(result)}`;
    } catch (cause) {
      failure = cause;
    }
    if (performance.now() > deadline) {
      const text = failure instanceof Error ? failure.message : String(failure);
      throw new Error(`Not true within ${timeoutMs} ms: ${text}`, { cause: failure });
    }
    await delay(intervalMs);
  }
}
