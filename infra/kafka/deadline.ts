// Bounds waiting for a broker: a deadline around what may hang, and pauses that grow and can be cut short.
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerFailure } from './port.ts';

/** A broker or a database that comes back is noticed within this time. */
const pauseMsMax = 2_000;
const pauseMsFirst = 100;

/** What `work` gives, or after `deadlineMs` a retryable `BrokerFailure`; the work itself is not stopped. */
export async function withDeadline<Result>(
  work: Promise<Result>,
  deadlineMs: number,
  what: string,
): Promise<Result> {
  const expiry = new AbortController();
  const expired = delay(deadlineMs, undefined, { signal: expiry.signal }).then(() => {
    throw new BrokerFailure(`${what} took more than ${deadlineMs} ms`, { retryable: true });
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    expiry.abort();
    // The loser of the race: the timer by its abort, or the work that nobody waits for any more.
    expired.catch(() => undefined);
    work.catch(() => undefined);
  }
}

/** Waits before try number `attempt` (from 1), longer each time; returns early once the signal is aborted. */
export async function pauseBefore(attempt: number, signal: AbortSignal): Promise<void> {
  const pauseMs = Math.min(pauseMsFirst * 2 ** (attempt - 1), pauseMsMax);
  await delay(pauseMs, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** What `work` gives, or the signal's reason as soon as it is aborted; the work itself is not stopped. */
export async function unlessAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    // Nobody waits for it any more.
    work.catch(() => undefined);
  }
}
