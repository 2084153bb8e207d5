// What was refused, and to whom: written beside the requests in batches, and read together with the log.
import type { Pool } from 'pg';
import type { Actor, RecordedEvent } from '#events/envelope.ts';
import { LogUnavailable } from '#events/log.ts';
import { isOfTheValues, isTransient } from './connect.ts';
import { eventColumns, recordedEvent } from './event-row.ts';
import type { EventRow } from './event-row.ts';

/** Refusals that wait to be written; past this the newest are counted only, so that no database outage fills the memory. */
const waitingMax = 10_000;
const batchMax = 500;
/** Those of one moment go together. */
const gatherMs = 100;
const retryAfterMs = 1_000;
/** Who must be heard before the answer waits this long for a database that does not answer; it is written later then. */
const patienceMs = 1_000;
const detailCharactersMax = 8_192;
/** The longest text is such a detail. */
const textCharactersMax = detailCharactersMax;
/** One caller's refusals are all kept up to so many at once and so many a second after; strangers share theirs. */
const callerBurst = 200;
const callerPerSecond = 20;
const strangersBurst = 30;
const strangersPerSecond = 0.5;
const callersMax = 10_000;

/** One refusal. `actor` is null for a stranger, whose tenant nobody knows. */
export type Refused = {
  tenant: string;
  actor: Actor | null;
  /** The command, or where none was decided the route. */
  action: string;
  code: string;
  stream: string | null;
  detail: object;
};

export type AuditRecords = {
  /** Keeps it unless its caller has had too many; with `always` it is kept whatever came before, and waited for. */
  note: (refused: Refused, always: boolean) => Promise<void> | void;
  /** Writes what waits. */
  close: () => Promise<void>;
};

/** A text that PostgreSQL can hold: no NUL, no lone surrogate, also where it was cut. */
const storableText = (text: string): string =>
  text.slice(0, textCharactersMax).toWellFormed().replaceAll('\u0000', '\ufffd');

/** No more than a record is worth. */
function storable(detail: object): string {
  const text = JSON.stringify(detail);
  return text.length <= detailCharactersMax ? text : JSON.stringify({ is_cut: true });
}

/** The same with no text that the database would refuse, whoever said it: one would keep all that wait with it from being written. */
const storableRefusal = (refused: Refused): Refused =>
  JSON.parse(JSON.stringify(refused), (_key, value: unknown) =>
    typeof value === 'string' ? storableText(value) : value,
  ) as Refused;

type Row = Omit<Refused, 'detail'> & { detail: string; at: string };
type Waiting = { row: Row; done: () => void };
type Bucket = { left: number; at: number; passed: number };

export function openAuditRecords(
  pool: Pool,
  onError: (error: unknown, dropped: number) => void,
): AuditRecords {
  let waiting: Waiting[] = [];
  let dropped = 0;
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> | null = null;
  const buckets = new Map<string, Bucket>();

  /** Whether one more is kept, and how many were not since the last that was. */
  function admit(caller: string | null): number | null {
    const [burst, perSecond] =
      caller === null ? [strangersBurst, strangersPerSecond] : [callerBurst, callerPerSecond];
    const name = caller ?? '';
    const now = performance.now();
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      if (buckets.size >= callersMax) buckets.clear();
      bucket = { left: burst, at: now, passed: 0 };
      buckets.set(name, bucket);
    }
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
    if (bucket.left < 1) {
      bucket.passed++;
      return null;
    }
    bucket.left--;
    const { passed } = bucket;
    bucket.passed = 0;
    return passed;
  }

  /** One that the database refuses whatever happens must not keep the others: halves until it stands alone, and is left out. */
  async function insert(batch: readonly Waiting[]): Promise<void> {
    try {
      await pool.query({
        name: 'note_refusals',
        text: `insert into log.audit_records (recorded_at, tenant, subject, action, code, stream, actor, detail)
               select r.at, r.tenant, r.actor ->> 'subject', r.action, r.code, r.stream, r.actor, r.detail::jsonb
               from json_to_recordset($1) as r(at timestamptz, tenant text, actor jsonb, action text, code text, stream text, detail text)`,
        values: [JSON.stringify(batch.map(({ row }) => row))],
      });
    } catch (error) {
      if (!isOfTheValues(error)) throw error;
      const half = batch.length >> 1;
      if (half === 0) return onError(error, ++dropped);
      await insert(batch.slice(0, half));
      await insert(batch.slice(half));
    }
  }

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchMax);
      await insert(batch);
      waiting = waiting.slice(batch.length);
      for (const { done } of batch) done();
    }
  }

  function writeSoon(afterMs: number): void {
    if (timer !== null || writing !== null || waiting.length === 0) return;
    timer = setTimeout(() => {
      timer = null;
      let isFailing = false;
      writing = write()
        .catch((error: unknown) => {
          isFailing = true;
          onError(error, dropped);
        })
        .finally(() => {
          writing = null;
          writeSoon(isFailing ? retryAfterMs : gatherMs);
        });
    }, afterMs);
    timer.unref();
  }

  return {
    note(refused, always) {
      const { actor, tenant } = refused;
      const passed = always ? 0 : admit(actor === null ? null : `${tenant} ${actor.subject}`);
      if (passed === null) return undefined;
      if (waiting.length >= waitingMax) {
        dropped++;
        return undefined;
      }
      const { detail, ...said } = storableRefusal(refused);
      const row: Row = {
        ...said,
        at: new Date().toISOString(),
        detail: storable(passed === 0 ? detail : { ...detail, not_recorded_before: passed }),
      };
      if (!always) {
        waiting.push({ row, done: () => undefined });
        writeSoon(gatherMs);
        return undefined;
      }
      return new Promise((resolve) => {
        const patience = setTimeout(resolve, patienceMs);
        waiting.push({
          row,
          done: () => {
            clearTimeout(patience);
            resolve();
          },
        });
        writeSoon(0);
      });
    },
    async close() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      await writing;
      await write().catch((error: unknown) => onError(error, dropped));
    },
  };
}

/** What is asked of the trail; `before` is where the last page ended. */
export type AuditQuery = {
  tenant: string;
  /** Also what strangers tried, who are of no tenant. */
  withStrangers: boolean;
  actor?: string | undefined;
  stream?: string | undefined;
  action?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  limit: number;
  before: { position: string; id: string } | null;
};

export type RefusedRecord = {
  id: string;
  recorded_ms: string;
  action: string;
  code: string;
  stream: string | null;
  actor: Actor | null;
  detail: Record<string, unknown>;
};

/** Something that was done, or refused. */
export type AuditEntry =
  | { outcome: 'done'; event: RecordedEvent }
  | { outcome: 'refused'; record: RefusedRecord };

const recordColumns = `id, (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms, action, code, stream, actor, detail`;

/** Past every id there is. */
const end = '9223372036854775807';

/** The newest first; what was done and what was refused, by the one clock of the database as far as it has one. */
export async function readAudit(
  pool: Pool,
  query: AuditQuery,
): Promise<{ entries: AuditEntry[]; next: AuditQuery['before'] }> {
  const { limit, before } = query;
  const { events, records } = await readBoth(pool, query);
  const entries: AuditEntry[] = [];
  const next = { position: before?.position ?? end, id: before?.id ?? end };
  let [nth, mth] = [0, 0];
  while (entries.length < limit) {
    const event = events[nth];
    const record = records[mth];
    if (event === undefined && record === undefined) return { entries, next: null };
    if (
      record === undefined ||
      (event && Number(event.recorded_ms) >= Number(record.recorded_ms))
    ) {
      entries.push({ outcome: 'done', event: recordedEvent(event!) });
      next.position = event!.position;
      nth++;
    } else {
      entries.push({ outcome: 'refused', record });
      next.id = record.id;
      mth++;
    }
  }
  return { entries, next: nth < events.length || mth < records.length ? next : null };
}

async function readBoth(pool: Pool, query: AuditQuery) {
  const { tenant, actor, stream, action, from, to, limit, before, withStrangers } = query;
  const conditionsOn = (columns: { actor: string; action: string }, values: unknown[]) => {
    const conditions: string[] = [];
    const where = (value: unknown, sql: (bound: string) => string): void => {
      if (value !== undefined) conditions.push(sql(`$${values.push(value)}`));
    };
    where(actor, (bound) => `${columns.actor} = ${bound}`);
    where(action, (bound) => `${columns.action} = ${bound}`);
    where(stream, (bound) => `stream = ${bound}`);
    where(from, (bound) => `recorded_at >= ${bound}`);
    where(to, (bound) => `recorded_at < ${bound}`);
    return conditions.map((condition) => ` and ${condition}`).join('');
  };
  const ofEvents: unknown[] = [tenant, before?.position ?? end];
  const ofRecords: unknown[] = [withStrangers ? [tenant, ''] : [tenant], before?.id ?? end];
  const eventsWhere = conditionsOn(
    { actor: `metadata #>> '{actor,subject}'`, action: 'type' },
    ofEvents,
  );
  const recordsWhere = conditionsOn({ actor: 'subject', action: 'action' }, ofRecords);
  try {
    // one after the other, so that one question takes one connection
    const events = await pool.query<EventRow>({
      text: `select ${eventColumns} from log.events where tenant = $1 and position < $2${eventsWhere}
             order by position desc limit ${limit + 1}`,
      values: ofEvents,
    });
    const records = await pool.query<RefusedRecord>({
      text: `select ${recordColumns}
             from log.audit_records where tenant = any($1) and id < $2${recordsWhere} order by id desc limit ${limit + 1}`,
      values: ofRecords,
    });
    return { events: events.rows, records: records.rows };
  } catch (error) {
    if (!isTransient(error)) throw error;
    throw new LogUnavailable('the audit trail does not answer', { inDoubt: false, cause: error });
  }
}

/** What was refused on one stream between two of its versions, and the last of it where there is too much. */
export type Refusals = { stream: string; fromVersion: number; beforeVersion: number | null };

/**
 * The statement that reads them, as `RefusedRecord`s, the oldest first.
 * @param most so many at most; the newest are read
 */
export const refusalsStatement = (
  { stream, fromVersion, beforeVersion }: Refusals,
  most: number,
) => ({
  name: 'refusals_of_stream',
  text: `select * from (
           select ${recordColumns} from log.audit_records
           where stream = $1
             and recorded_at >= (select recorded_at from log.events where stream = $1 and version = $2)
             and recorded_at < coalesce((select recorded_at from log.events where stream = $1 and version = $3), 'infinity')
           order by recorded_at desc, id desc limit $4) newest
         order by recorded_ms, id`,
  values: [stream, fromVersion, beforeVersion, most],
});
