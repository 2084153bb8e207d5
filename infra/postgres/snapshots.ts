// Folded streams kept beside the log, and what a fold needs from there on: streams asked for in one moment are read together.
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompressSync } from 'node:zlib';
import type { RecordedEvent } from '#events/envelope.ts';
import type { EventLog, SnapshotPart } from '#events/log.ts';
import { coalesce } from './coalesce.ts';
import { eventColumns, recordedEvent } from './event-row.ts';
import type { EventRow, Rows } from './event-row.ts';

/** Most streams are short; so many of them fit in one answer, also where no snapshot shortens them. */
const streamsAtOnceMax = 50;
/** What is longer is read on by pages of its own. */
const firstPageEventsMax = 1_000;

type Asked = { stream: string; foldVersion: number };
type Found = Awaited<ReturnType<EventLog['readFromSnapshot']>>;
type FoundRow = EventRow & { nth: number } & (
    | { state: Buffer; lengths: readonly number[] }
    | { state: null; lengths: null }
  );

/** A column for each of an event's, for the rows that are snapshots. */
const noEvent = `0::bigint as position, '' as tenant, '' as stream, stream_version as version, null::uuid as event_id,
  '' as type, 0 as schema_version, null::json as data, null::json as metadata, null::integer as serial, 0::bigint as recorded_ms`;

// in threads of their own, so that nobody waits for a large one; a part is unpacked in a moment
const compress = promisify(zstdCompress);

export function openSnapshots({
  rows,
  readStream,
}: {
  rows: Rows;
  readStream: EventLog['readStream'];
}): Pick<EventLog, 'readFromSnapshot' | 'saveSnapshot'> {
  /** What parts are in the database, of those that were read or saved here. */
  const packedParts = new WeakMap<SnapshotPart, Buffer>();

  function partsOf(state: Buffer, lengths: readonly number[]): SnapshotPart[] {
    let end = 0;
    return lengths.map((length) => {
      const packed = state.subarray(end, (end += length));
      const part = () => zstdDecompressSync(packed).toString();
      packedParts.set(part, packed);
      return part;
    });
  }

  async function packed(part: SnapshotPart): Promise<Buffer> {
    const known = packedParts.get(part);
    if (known !== undefined) return known;
    const made = await compress(part());
    packedParts.set(part, made);
    return made;
  }

  // a query of its own for each took 20 µs of PostgreSQL and 40 of the process, for every second command on many models
  const read = coalesce<Asked, Found>(streamsAtOnceMax, async (asked) => {
    const found = asked.map((): Found => ({ snapshot: null, events: [] }));
    const read = await rows<FoundRow>(
      'read_from_snapshot',
      `with asked as materialized (
         select a.nth::integer, a.stream, s.stream_version, s.state, s.lengths
         from unnest($1::text[], $2::integer[]) with ordinality a(stream, fold_version, nth)
         left join lateral (select stream_version, state, lengths from log.snapshots k
                            where k.stream = a.stream and k.fold_version = a.fold_version limit 1) s on true)
       select nth, state, lengths, ${noEvent} from asked where state is not null
       union all
       select a.nth, null, null, e.* from asked a, lateral (
         select ${eventColumns} from log.events
         where stream = a.stream and version > coalesce(a.stream_version, 0) order by version limit $3) e`,
      [asked.map((one) => one.stream), asked.map((one) => one.foldVersion), firstPageEventsMax],
    );
    for (const row of read) {
      const one = found[row.nth - 1]!;
      if (row.state === null) one.events.push(recordedEvent(row));
      else one.snapshot = { stream_version: row.version, parts: partsOf(row.state, row.lengths) };
    }
    return found;
  });

  async function readFromSnapshot(stream: string, foldVersion: number): Promise<Found> {
    const found = await read({ stream, foldVersion });
    const { events } = found;
    if (events.length < firstPageEventsMax) return found;
    const rest: RecordedEvent[] = await readStream(stream, events.at(-1)!.stream_version);
    return { ...found, events: [...events, ...rest] };
  }

  return {
    readFromSnapshot,

    async saveSnapshot(stream, foldVersion, streamVersion, parts) {
      const pieces: Buffer[] = [];
      // one after the other, as each is made when it is called: all at once would hold up whoever waits meanwhile
      for (const part of parts) pieces.push(await packed(part));
      const lengths = pieces.map(({ length }) => length);
      await rows(
        'save_snapshot',
        `insert into log.snapshots as kept (stream, fold_version, stream_version, state, lengths) values ($1, $2, $3, $4, $5)
         on conflict (stream) do update
           set fold_version = excluded.fold_version, stream_version = excluded.stream_version, state = excluded.state,
             lengths = excluded.lengths
           where kept.fold_version <> excluded.fold_version or kept.stream_version < excluded.stream_version`,
        [stream, foldVersion, streamVersion, Buffer.concat(pieces), lengths],
      );
    },
  };
}
