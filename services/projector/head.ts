// Asks the log how far it is: on connections of its own, so that no answer waits for other work, and every answer comes soon.
import { Pool } from 'pg';
import { LogUnavailable } from '#events/log.ts';
import { connection, isTransient, tellOfBroken } from '#infra/postgres/connect.ts';
import type { Transaction } from './writer.ts';

/** The questions are of one row each. With the client's own second more, a dead database is noticed within 2 s. */
const statementTimeoutMs = 500;
/** One question about the head is under way at a time, one about the relay, and one about what serves. */
const connectionsMax = 3;

export type Head = {
  /** @throws LogUnavailable */
  position: () => Promise<number>;
  /** For other questions of this kind. */
  log: Transaction;
  close: () => Promise<void>;
};

export function openHead(options: { url: string; onError: (error: Error) => void }): Head {
  const pool = new Pool({
    ...connection({
      url: options.url,
      name: 'modelog-head',
      role: 'modelog_service',
      statementTimeoutMs,
    }),
    max: connectionsMax,
  });
  tellOfBroken(pool, options.onError);
  return {
    position: async () => {
      try {
        const { rows } = await pool.query<{ position: string }>({
          name: 'head',
          text: 'select position from log.log_head',
        });
        return Number(rows[0]!.position);
      } catch (error) {
        if (!isTransient(error)) throw error;
        throw new LogUnavailable('the event log does not answer', { inDoubt: false, cause: error });
      }
    },
    log: pool,
    close: () => pool.end(),
  };
}
