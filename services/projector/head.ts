// Asks the log how far it and some of its streams are: on connections of its own, so that no answer waits for other work, and every
// answer comes soon.
import { Pool } from 'pg';
import { LogUnavailable } from '#events/log.ts';
import { connection, isTransient, tellOfBroken } from '#infra/postgres/connect.ts';
import type { LogNow } from './freshness.ts';
import type { Transaction } from './writer.ts';

/** The questions are of a row each, and one by its key a stream. With the client's own second more, a dead database is noticed within 2 s. */
const statementTimeoutMs = 500;
/** One question about the head is under way at a time, one about the relay, and one about what serves. */
const connectionsMax = 3;

export type Head = {
  /** How far the log and each of the streams is now. @throws LogUnavailable */
  find: (streams: readonly string[]) => Promise<LogNow>;
  /** For other questions of this kind. */
  log: Transaction;
  close: () => Promise<void>;
};

export function openHead(options: { url: string; onError: (error: Error) => void }): Head {
  const config = connection({
    url: options.url,
    name: 'modelog-head',
    role: 'modelog_service',
    statementTimeoutMs,
  });
  const pool = new Pool({
    ...config,
    // a plan made while there were few streams would look through them all for ever
    options: `${config.options} -c enable_seqscan=off`,
    max: connectionsMax,
  });
  tellOfBroken(pool, options.onError);
  return {
    find: async (streams) => {
      try {
        const { rows } = await pool.query<{ position: string; versions: string }>({
          name: 'head',
          text: `select h.position, array_to_string(array(
                   select coalesce((select s.version from log.streams s where s.stream = asked.stream), 0)
                   from unnest($1::text[]) with ordinality asked(stream, nth) order by nth), ',') as versions
                 from log.log_head h`,
          values: [streams],
        });
        const { position, versions } = rows[0]!;
        const counts = versions.split(',');
        return {
          position: Number(position),
          versions: new Map(streams.map((stream, nth) => [stream, Number(counts[nth])])),
        };
      } catch (error) {
        if (!isTransient(error)) throw error;
        throw new LogUnavailable('the event log does not answer', { inDoubt: false, cause: error });
      }
    },
    log: pool,
    close: () => pool.end(),
  };
}
