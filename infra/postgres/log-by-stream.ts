// Reads the whole log stream by stream: each stream's events together, so that who folds them needs each only once.
import { Client } from 'pg';
import type { RecordedEvent } from '#events/envelope.ts';
import { connection } from './connect.ts';
import { eventColumns, recordedEvent } from './event-row.ts';
import type { EventRow } from './event-row.ts';

/** Where a page ended. */
type Place = { stream: string; version: number };

export type LogByStream = {
  /**
   * The next events in the order of streams and versions, at most `limit`; none after the last. Each page is a statement of
   * its own, so that nobody holds a snapshot: events up to a position never change.
   */
  next: (limit: number) => Promise<RecordedEvent[]>;
  close: () => Promise<void>;
};

/** Opens a connection that reads the events up to a position, in an order of its own. */
export async function openLogByStream(options: {
  url: string;
  upToPosition: number;
  statementTimeoutMs: number;
}): Promise<LogByStream> {
  const { url, upToPosition, statementTimeoutMs } = options;
  const config = connection({
    url,
    name: 'modelog-log-by-stream',
    role: 'modelog_service',
    statementTimeoutMs,
  });
  // The index on (stream, version) gives the order; a sort of the whole log for each page would not.
  const client = new Client({
    ...config,
    options: `${config.options} -c enable_seqscan=off -c enable_sort=off`,
  });
  let broken: Error | null = null;
  client.on('error', (error) => (broken = error));
  await client.connect();
  let after: Place = { stream: '', version: 0 };
  return {
    next: async (limit) => {
      if (broken !== null) throw broken;
      const { rows } = await client.query<EventRow>({
        name: 'events_by_stream',
        text: `select ${eventColumns} from log.events
               where (stream, version) > ($1, $2) and position <= $3 order by stream, version limit $4`,
        values: [after.stream, after.version, upToPosition, limit],
      });
      const last = rows.at(-1);
      if (last !== undefined) after = { stream: last.stream, version: last.version };
      return rows.map(recordedEvent);
    },
    close: () => client.end(),
  };
}
