// A log of millions of events within a minute: what some thousand commands wrote is copied within the database.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';

const lengthen = readFileSync(fileURLToPath(import.meta.resolve('./lengthen-log.sql')), 'utf8');

/**
 * What every copy is made of, once. Ids and names stand in the text of the data. The ids of one copy lie together, as
 * those of one time do: ids without any order would have every page of the indexes written again and again.
 */
const source = `
  create temporary table bench_source as
    select row_number() over (order by position) as nth, position, tenant, stream, version, event_id, type, schema_version,
           data::text as data, metadata, serial, recorded_at
    from log.events where stream like 'model:default:%';
  create temporary table bench_source_streams as
    select stream, split_part(stream, ':', 3) as model_id, version from log.streams where stream like 'model:default:%';
  analyze bench_source, bench_source_streams;
  create function pg_temp.copied_id(id text, nth integer) returns uuid language sql immutable
    as $$ select (lpad(to_hex(nth), 8, '0') || substr(md5(id), 9))::uuid $$`;

/** The readers of the log take the copies for read: what is measured is the log, and models that nobody copied. */
const readersAtTheEnd = `
  update views.offsets set position = h.position from log.log_head h where partition = -1;
  update retention.checkpoints set next = h.position from log.log_head h where source = 'log'`;

/**
 * Copies the streams of all models again and again, until the log has so many events. No service may run meanwhile.
 */
export async function lengthenLog(
  databaseUrl: string,
  events: number,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(source);
    const { rows } = await client.query<{ position: string }>('select position from log.log_head');
    let position = Number(rows[0]!.position);
    for (let copy = 1; position < events; copy++) {
      signal.throwIfAborted();
      const { rows: reached } = await client.query<{ position: string }>(lengthen, [copy]);
      position = Number(reached[0]!.position);
    }
    await client.query(readersAtTheEnd);
    // As a log that grew over months stands: visible to index scans, with statistics, and nothing left to write to the disk.
    await client.query('vacuum (analyze) log.events, log.commands, log.streams, log.claims');
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}
