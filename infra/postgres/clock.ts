// The one clock of the registry: the database's, carried between questions by this machine's monotonic clock.
import type { Pool } from 'pg';

/** Two machines' clocks drift a few milliseconds apart in this time. */
const askEveryMs = 10_000;
/** An answer that took longer may be off by half of it, and is worth less than the one before. */
const answerMsMax = 100;

export type Clock = {
  now: () => Date;
  close: () => void;
};

/** Asks once before it resolves, and again and again; a database that is down leaves the last answer standing. */
export async function openDatabaseClock(
  pool: Pool,
  onError: (error: unknown) => void,
): Promise<Clock> {
  let offsetMs: number | null = null;
  async function ask(): Promise<void> {
    const sentAt = performance.now();
    const { rows } = await pool.query<{ now_ms: string }>(
      'select extract(epoch from clock_timestamp()) * 1000 as now_ms',
    );
    const answeredAt = performance.now();
    if (offsetMs !== null && answeredAt - sentAt > answerMsMax) return;
    offsetMs = Number(rows[0]!.now_ms) - (sentAt + answeredAt) / 2;
  }
  await ask();
  const timer = setInterval(() => void ask().catch(onError), askEveryMs);
  timer.unref();
  return { now: () => new Date(offsetMs! + performance.now()), close: () => clearInterval(timer) };
}
