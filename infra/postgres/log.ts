// The event log in PostgreSQL: one round trip an append, pages by position, and every doubt resolved by the command ids.
import { Client } from 'pg';
import type { Pool, QueryResultRow } from 'pg';
import { parts } from '#events/catalogue.ts';
import type { SerialKind } from '#events/catalogue.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { LogUnavailable, pageBytesMax, pageEventsMax } from '#events/log.ts';
import type { AppendEntry, EventLog, Verdict } from '#events/log.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import { connection, isInDoubt, isTransient, readDeadlineMs } from './connect.ts';
import { eventColumns, recordedEvent, time } from './event-row.ts';
import type { EventRow, Rows } from './event-row.ts';
import { rowArray } from './array-literal.ts';
import type { Element } from './array-literal.ts';
import { openSnapshots } from './snapshots.ts';
import { openTextBatch } from './text-batch.ts';
import type { TextBatch, TextPlace } from './text-batch.ts';

/** One attempt at an append; a healthy one takes milliseconds. */
const appendStatementTimeoutMs = 1_000;
/** After this long without a definite word the caller is told: a client must hear within 2 s. */
const appendDeadlineMs = 1_600;
const appendRetryDelayMs = 50;
/** A stream is read in pages, so that one long stream does not fill a connection's buffers at once. */
const streamPageEventsMax = 5_000;

/** How far one attempt at an append has come, for whoever gives it up. */
type Attempt = { isSent: boolean; isGivenUp: boolean; opening: Promise<Client> | null };

export type PostgresLog = EventLog & { close: () => Promise<void> };

/** What `append_batch` returns; see its comment in the migration. */
type BatchAnswer = {
  position: number;
  recorded_at: number;
  refused: [entry: number, verdict: 'conflict' | 'claimed' | 'seen'][];
  seen: {
    command: number;
    reused: boolean;
    stream: string;
    stream_version: number;
    position: number;
    status: number;
  }[];
  serials: [entry: number, model: number | null, version: number | null][];
};

/** How JSON writes a character by its number: the database looks closer where there is one. */
const unicodeEscape = '\\u';

/** The arguments of `append_batch`, in its order; `texts` is the caller's, and free again once they are sent. */
function batchArguments(entries: readonly AppendEntry[], texts: TextBatch): unknown[] {
  const entryRows: Element[][] = [];
  const decidedOn: Element[][] = [];
  const commandRows: Element[][] = [];
  const eventRows: Element[][] = [];
  const takes: Element[][] = [];
  const frees: Element[][] = [];
  const scopes: Element[][] = [];
  const keys: object[] = [];
  let hasEscapes = false;
  const placed = (json: string): TextPlace => {
    hasEscapes ||= json.includes(unicodeEscape);
    return texts.add(json);
  };
  for (const { stream, tenant, expected_version, decided_on, commands } of entries) {
    const entry = entryRows.length + 1;
    let nth = 0;
    const asked = { model: 0, version: 0 };
    for (const command of commands) {
      const metadata = placed(JSON.stringify(command.metadata));
      for (const { id, type, schema_version, serial_kind, data: fields } of command.events) {
        const data = placed(JSON.stringify(fields));
        const nthOfKind = serial_kind === null ? null : ++asked[serial_kind];
        eventRows.push([
          entry,
          ++nth,
          id,
          type,
          schema_version,
          serial_kind,
          nthOfKind,
          data.start,
          data.length,
          metadata.start,
          metadata.length,
        ]);
      }
      const { command_id, request_hash, status } = command;
      commandRows.push([entry, command_id, request_hash, status, nth, command.events.length > 0]);
      for (const claim of command.takes) takes.push([entry, claim]);
      for (const claim of command.frees) frees.push([entry, claim]);
      for (const { kind, scope } of command.scopes) scopes.push([entry, kind, scope]);
      const by = command.metadata.actor.subject;
      for (const key of command.keys) keys.push({ entry, nth: keys.length + 1, by, ...key });
    }
    entryRows.push([stream, tenant, expected_version, nth, asked.model, asked.version]);
    for (const other of decided_on) decidedOn.push([entry, other.stream, other.version]);
  }
  return [
    rowArray(entryRows),
    rowArray(decidedOn),
    rowArray(commandRows),
    rowArray(eventRows),
    texts.take().bytes,
    hasEscapes,
    rowArray(takes),
    rowArray(frees),
    rowArray(scopes),
    JSON.stringify(keys),
  ];
}

/** The verdicts, with the events as they are stored: the log's position, time and serials filled in. */
function verdictsOf(entries: readonly AppendEntry[], answer: BatchAnswer): Verdict[][] {
  const refused = new Map(answer.refused);
  const seen = new Map(answer.seen.map((row) => [row.command, row]));
  const serials = new Map(
    answer.serials.map(([entry, model, version]) => [entry, { model, version }]),
  );
  const recordedAt = time(answer.recorded_at);
  let position = answer.position;
  let nthCommand = 0;
  return entries.map((entry, index) => {
    const refusal = refused.get(index + 1);
    const last = { model: 0, version: 0, ...serials.get(index + 1) };
    let streamVersion = entry.expected_version;
    return entry.commands.map((command): Verdict => {
      nthCommand++;
      if (refusal !== undefined) {
        if (refusal !== 'seen') return { verdict: refusal };
        const record = seen.get(nthCommand);
        if (record === undefined) return { verdict: 'undecided' };
        const { stream, stream_version, status } = record;
        return record.reused
          ? { verdict: 'key_reused' }
          : { verdict: 'duplicate', stream, stream_version, position: record.position, status };
      }
      const { metadata } = command;
      const events = command.events.map(
        ({ id, type, schema_version, serial_kind, data }): RecordedEvent => ({
          position: ++position,
          id,
          type,
          schema_version,
          tenant: entry.tenant,
          stream: entry.stream,
          stream_version: ++streamVersion,
          actor: metadata.actor,
          occurred_at: metadata.occurred_at,
          recorded_at: recordedAt,
          reason: metadata.reason,
          command_id: metadata.command_id,
          correlation_id: metadata.correlation_id,
          causation_id: metadata.causation_id,
          traceparent: metadata.traceparent,
          data: serial_kind === null ? data : { ...data, serial: (last[serial_kind]! += 1) },
        }),
      );
      return {
        verdict: 'appended',
        stream_version: streamVersion,
        position: events.at(-1)?.position ?? answer.position,
        events,
      };
    });
  });
}

/**
 * Opens the log. Reads go through the pool; appends through one connection of their own, one batch at a time.
 * The database must be migrated.
 */
export function openPostgresLog(options: {
  url: string;
  pool: Pool;
  failpoint: Failpoint;
  onError: (error: Error) => void;
}): PostgresLog {
  const { pool, failpoint } = options;
  const texts = openTextBatch();
  let writer: Promise<Client> | null = null;
  let closed = false;

  function openWriter(): Promise<Client> {
    const client = new Client(
      connection({
        url: options.url,
        name: 'modelog-append',
        role: 'modelog_service',
        statementTimeoutMs: appendStatementTimeoutMs,
      }),
    );
    const opening = client.connect().then(() => client);
    client.on('error', (error) => {
      options.onError(error);
      if (writer === opening) writer = null;
    });
    return opening;
  }

  function drop(opening: Promise<Client>): void {
    if (writer === opening) writer = null;
    // the connection may be half open: its end is not waited for, and how it fails is of no interest any more
    opening.then(
      (client) => client.end().catch(() => undefined),
      () => undefined,
    );
  }

  async function appendOnce(
    entries: readonly AppendEntry[],
    attempt: Attempt,
  ): Promise<Verdict[][]> {
    const opening = (writer ??= openWriter());
    attempt.opening = opening;
    try {
      const client = await opening;
      // the caller has been told what it can rely on: from here on nothing may happen
      if (attempt.isGivenUp) throw new Error('given up before it was sent');
      attempt.isSent = true;
      const answering = client.query<{ answer: BatchAnswer }>({
        name: 'append_batch',
        text: 'select log.append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) as answer',
        values: batchArguments(entries, texts),
      });
      // sent, and perhaps being committed right now; where the failpoint throws, nobody waits for the answer
      answering.catch(() => undefined);
      await failpoint('log:after-append');
      const result = await answering;
      await failpoint('log:after-commit');
      return verdictsOf(entries, result.rows[0]!.answer);
    } catch (error) {
      if (!attempt.isSent || isInDoubt(error)) {
        drop(opening);
        throw new LogUnavailable('the event log does not answer', {
          inDoubt: attempt.isSent,
          cause: error,
        });
      }
      if (isTransient(error))
        throw new LogUnavailable('the event log is busy', { inDoubt: false, cause: error });
      return await bisect(entries, error as Error, attempt);
    }
  }

  /** A value that the database refuses must not fail its neighbours: halve until one entry stands alone. */
  async function bisect(
    entries: readonly AppendEntry[],
    error: Error,
    attempt: Attempt,
  ): Promise<Verdict[][]> {
    if (entries.length === 1)
      return entries.map((entry) =>
        entry.commands.map((): Verdict => ({ verdict: 'failed', error })),
      );
    const half = entries.length >> 1;
    return [
      ...(await appendOnce(entries.slice(0, half), attempt)),
      ...(await appendOnce(entries.slice(half), attempt)),
    ];
  }

  /** One attempt, given up at the deadline: whatever was sent by then is in doubt. */
  async function appendBefore(
    deadline: number,
    entries: readonly AppendEntry[],
  ): Promise<Verdict[][]> {
    const attempt: Attempt = { isSent: false, isGivenUp: false, opening: null };
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      attempt.isGivenUp = true;
      if (attempt.opening !== null) drop(attempt.opening);
      reject(
        new LogUnavailable('the event log does not answer in time', { inDoubt: attempt.isSent }),
      );
    }, deadline - performance.now());
    try {
      return await Promise.race([appendOnce(entries, attempt), expired]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The one connection that appends takes one statement at a time. */
  let turn: Promise<unknown> = Promise.resolve();
  function append(entries: readonly AppendEntry[]): Promise<Verdict[][]> {
    const deadline = performance.now() + appendDeadlineMs;
    const appending = turn.then(() => appendInTurn(entries, deadline));
    turn = appending.catch(() => undefined);
    return appending;
  }

  async function appendInTurn(
    entries: readonly AppendEntry[],
    deadline: number,
  ): Promise<Verdict[][]> {
    let inDoubt = false;
    for (;;) {
      try {
        return await appendBefore(deadline, entries);
      } catch (error) {
        if (!(error instanceof LogUnavailable)) throw error;
        inDoubt ||= error.inDoubt;
        if (closed || performance.now() + appendRetryDelayMs > deadline)
          throw new LogUnavailable(error.message, { inDoubt, cause: error.cause });
        await new Promise((resolve) => setTimeout(resolve, appendRetryDelayMs));
      }
    }
  }

  const rows: Rows = async <Row extends QueryResultRow>(
    name: string,
    text: string,
    values: unknown[],
  ) => {
    try {
      const query = { name, text, values, query_timeout: readDeadlineMs };
      return (await pool.query<Row>(query)).rows;
    } catch (error) {
      if (!isTransient(error)) throw error;
      throw new LogUnavailable('the event log does not answer', { inDoubt: false, cause: error });
    }
  };

  const readStream: EventLog['readStream'] = async (stream, afterVersion, limit) => {
    const events: RecordedEvent[] = [];
    const most = limit ?? Number.POSITIVE_INFINITY;
    while (events.length < most) {
      const pageSize = Math.min(streamPageEventsMax, most - events.length);
      const page = await rows<EventRow>(
        'read_stream',
        `select ${eventColumns} from log.events where stream = $1 and version > $2 order by version limit $3`,
        [stream, events.at(-1)?.stream_version ?? afterVersion, pageSize],
      );
      for (const row of page) events.push(recordedEvent(row));
      if (page.length < pageSize) break;
    }
    return events;
  };

  return {
    append,

    async head() {
      const [row] = await rows<{ position: string; epoch: string; recorded_ms: string }>(
        'log_head',
        'select position, epoch, (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms from log.log_head',
        [],
      );
      return {
        position: Number(row!.position),
        epoch: Number(row!.epoch),
        recorded_at: time(Number(row!.recorded_ms)),
      };
    },

    readStream,

    async readAll(afterPosition, limit, filter) {
      const values: unknown[] = [afterPosition, Math.min(limit, pageEventsMax)];
      const conditions = ['position > $1'];
      // PostgreSQL tells prepared statements apart by 63 characters
      let name = 'read_all';
      const where = (filtered: string, condition: string): void => {
        name += `_${filtered}`;
        conditions.push(condition);
      };
      if (filter?.tenant) where('tenant', `tenant = $${values.push(filter.tenant)}`);
      if (filter?.stream !== undefined) where('stream', `stream = $${values.push(filter.stream)}`);
      if (filter?.modelsOnly) where('models', `starts_with(stream, 'model:')`);
      if (filter?.scopes !== undefined)
        where(
          'scopes',
          `stream in (select s.stream from log.model_scopes s where s.tenant = events.tenant and s.scope = any($${values.push(filter.scopes)}))`,
        );
      if (filter?.types !== undefined) where('types', `type = any($${values.push(filter.types)})`);
      // how long a text is stands at its head: nothing is unpacked to be measured
      const text = `
        select ${eventColumns} from (
          select e.*, sum(octet_length(e.data::text)) over (order by e.position) - octet_length(e.data::text) as bytes_before
          from (select * from log.events where ${conditions.join(' and ')} order by position limit $2) e
        ) page where bytes_before < ${pageBytesMax} order by position`;
      return (await rows<EventRow>(name, text, values)).map(recordedEvent);
    },

    async positionAt(at) {
      // positions have no gap and times rise with them, so that halving finds it in a few looks
      const [row] = await rows<{ position: string }>(
        'position_at',
        `with recursive halving as (
           select 0::bigint as low, (select position from log.log_head) as high
           union all
           select case when e.recorded_at <= $1 then e.position else h.low end,
             case when e.recorded_at <= $1 then h.high else e.position - 1 end
           from halving h join log.events e on e.position = (h.low + h.high + 1) / 2 where h.low < h.high)
         select low as position from halving where low = high`,
        [at],
      );
      return Number(row!.position);
    },

    async findNamed(tenant, name, position) {
      const [row] = await rows<{ stream: string }>(
        'find_named',
        `select stream from log.events where tenant = $1 and data ->> 'name' = $2 and position <= $3
         and type in ('model.registered', 'model.renamed', 'model.restored') order by position desc limit 1`,
        [tenant, name, position],
      );
      return row?.stream ?? null;
    },

    async readEvent(id) {
      const [row] = await rows<EventRow>(
        'read_event',
        `select ${eventColumns} from log.events where event_id = $1`,
        [id],
      );
      return row === undefined ? null : recordedEvent(row);
    },

    async lookUp(streams, commandIds) {
      const found = await rows<{
        stream: string | null;
        version: number;
        command: RecordedCommandRow | null;
      }>(
        'look_up',
        `select s.stream, s.version, null::json as command from log.streams s where s.stream = any($1::text[])
         union all
         select null, 0, row_to_json(c) from log.commands c where c.command_id = any($2::uuid[])`,
        [streams, commandIds],
      );
      const versions = new Map(streams.map((stream) => [stream, 0]));
      const commands = new Map<string, RecordedCommandRow>();
      for (const { stream, version, command } of found) {
        if (stream !== null) versions.set(stream, version);
        if (command !== null) commands.set(command.command_id, command);
      }
      return { versions, commands };
    },

    async findClaims(claims) {
      const found = await rows<{ claim: string; stream: string }>(
        'find_claims',
        'select claim, stream from log.claims where claim = any($1::text[])',
        [claims],
      );
      return new Map(found.map(({ claim, stream }) => [claim, stream]));
    },

    async findSerial(tenant, kind: SerialKind, serial) {
      const [row] = await rows<{
        stream: string;
        number: number | null;
        version_id: string | null;
      }>(
        'find_serial',
        `select stream, (data ->> 'number')::int as number, data ->> 'version_id' as version_id from log.events
         where tenant = $1 and type = $2 and serial = $3 limit 1`,
        [tenant, kind === 'model' ? 'model.registered' : 'model.versioned', serial],
      );
      return row ?? null;
    },

    async isInScope(stream, scopes) {
      const found = await rows(
        'is_in_scope',
        'select from log.model_scopes where stream = $1 and scope = any($2) limit 1',
        [stream, scopes],
      );
      return found.length > 0;
    },

    async findPart(tenant, kind, id) {
      const { id: field, begins } = parts[kind];
      const types = begins.map((type) => `'${type}'`).join(', ');
      const [row] = await rows<{ stream: string }>(
        `find_${kind}`,
        `select stream from log.events where data ->> '${field}' = $2 and tenant = $1 and type in (${types}) limit 1`,
        [tenant, id],
      );
      return row?.stream ?? null;
    },

    async findChildren(tenant, parents, exceptStream, limit) {
      return await rows<{ stream: string; number: number }>(
        'find_children',
        // apart from the limit, for which the planner would rather walk the log in its order
        `with made as materialized (
           select stream, (data ->> 'number')::integer as number, position from log.events
           where type = 'model.versioned' and data #>> '{lineage,parent_versions}' <> '[]'
             and log.parents_named(data) && $2::text[] and tenant = $1 and stream <> $3)
         select stream, number from made order by position limit $4`,
        [tenant, parents, exceptStream, limit],
      );
    },

    async findVersion(tenant, versionId) {
      const [row] = await rows<{ stream: string; number: number }>(
        'find_version',
        `select stream, (data ->> 'number')::int as number from log.events
         where data ->> 'version_id' = $2 and tenant = $1 and type = 'model.versioned' limit 1`,
        [tenant, versionId],
      );
      return row ?? null;
    },

    ...openSnapshots({ rows, readStream }),

    async close() {
      closed = true;
      const client = await writer?.catch(() => null);
      writer = null;
      await client?.end();
    },
  };
}

type RecordedCommandRow = {
  command_id: string;
  request_hash: string | null;
  stream: string;
  stream_version: number;
  position: number;
  status: number;
};
