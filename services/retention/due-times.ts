// Keeps when each model must be looked at next: cheap lower bounds from the events, exact times from the looks.
// Events are gathered and written seldom, as a due time is days away and a crash only makes them be read again.
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { isModelEventType } from '#events/catalogue.ts';
import type { PolicyVersions } from '#events/model/commands.ts';
import { shortestAgeMs } from '#events/model/due.ts';
import { parseStream, policyStream } from '#events/names.ts';
import type { Retention } from '#events/policy/retention.ts';
import { effects } from './effects.ts';
import { timeoutMs } from './overdue.ts';

/** Days before anything is due, a second costs nothing; at full load this is one statement a second. */
const writeDelayMs = 1_000;
/** More gathered streams than these are written at once, so that the memory is bounded. */
const gatheredStreamsMax = 5_000;
/** Streams too young for any event to matter are remembered, so that they cost no statement. */
const youngStreamsMax = 50_000;
/**
 * Who takes a stream keeps it so long; after a crash another look follows then. Two who look at one stream at once cost
 * time and nothing else, as each order holds for one stream version.
 */
const claimMs = 15 * 1_000;
const forgottenPageStreams = 10_000;

/** The part of an event that due times rest on. */
export type NotedEvent = { stream: string; type: string; recorded_at: string };

/** How far a source was read: a position or the next offset, 0 at first; of a topic, what tells its last message from another. */
type Checkpoint = { next: number; mark: string | null };

/** What due times are reckoned by. */
export type Reckoning = { registry: Retention; deploymentTimeoutHours: number };

export type DueTimes = {
  /** Looks at every model again if the due times were reckoned otherwise before. */
  adopt: () => Promise<void>;
  /** Looks again at every model whose policy says something else of retention than when it was looked at. */
  adoptPolicies: () => Promise<void>;
  /** Where a source goes on: what `note` was last told, as far as it is written. */
  checkpoint: (source: string) => Promise<Checkpoint>;
  /** Gathers what events mean, and where their source goes on. Waits only where much is gathered. */
  note: (source: string, events: readonly NotedEvent[], to: Checkpoint) => Promise<void>;
  /** Writes what is gathered. */
  write: () => Promise<void>;
  /** Takes streams that must be looked at now, for a time; nobody else is given them meanwhile. */
  claim: (now: Date, limit: number) => Promise<string[]>;
  /** Stores the exact next time, or null for none. False if the stream or a policy has moved past what was judged by. */
  settle: (
    stream: string,
    judgedVersion: number,
    nextCheckAt: string | null,
    judgedBy: PolicyVersions,
  ) => Promise<boolean>;
  /** Gives a claimed stream back, to be looked at in the next sweep. */
  release: (streams: readonly string[], now: Date) => Promise<void>;
  /** How many streams must be looked at now. */
  countDue: (now: Date) => Promise<number>;
  /** Writes down how a sweep ended. */
  swept: (at: string, outcome: string) => Promise<void>;
  /** Writes what is gathered a last time. */
  close: () => Promise<void>;
};

export function openDueTimes(
  pool: Pool,
  { registry, deploymentTimeoutHours }: Reckoning,
  onError: (error: unknown) => void,
): DueTimes {
  const youngUntil = new LRUCache<string, number>({ max: youngStreamsMax });
  let begun = new Map<string, number>();
  let brought = new Map<string, number>();
  let waiting = new Map<string, number>();
  let checkpoints = new Map<string, Checkpoint>();
  let writing: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  function gather({ stream, type, recorded_at }: NotedEvent): void {
    if (!isModelEventType(type)) return;
    const effect = effects[type];
    if (effect === 'none') return;
    const recordedMs = Date.parse(recorded_at);
    if (effect === 'after a timeout' || effect === 'at the next sweep') {
      // it comes before any age, so that it counts for streams that were never looked at, too
      const dueMs =
        effect === 'after a timeout' ? recordedMs + timeoutMs(deploymentTimeoutHours) : recordedMs;
      const first = begun.get(stream);
      if (first === undefined) waiting.set(stream, Math.min(dueMs, waiting.get(stream) ?? dueMs));
      else begun.set(stream, Math.min(first, dueMs));
      return;
    }
    if (effect === 'begins') {
      begun.set(stream, recordedMs + shortestAgeMs);
      youngUntil.set(stream, recordedMs + shortestAgeMs);
      return;
    }
    if (recordedMs < (youngUntil.get(stream) ?? 0)) return;
    const dueMs = effect === 'at once' ? recordedMs : recordedMs + shortestAgeMs;
    brought.set(stream, Math.min(dueMs, brought.get(stream) ?? dueMs));
  }

  async function writeGathered(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const now = { begun, brought, waiting, checkpoints };
    if (now.checkpoints.size === 0) return;
    begun = new Map();
    brought = new Map();
    waiting = new Map();
    checkpoints = new Map();
    try {
      await pool.query({ name: 'note_due_times', text: noteStatement, values: noteValues(now) });
    } catch (error) {
      // Nothing newer may be written before it, or the checkpoint would pass over it.
      for (const [stream, at] of now.begun)
        begun.set(stream, Math.min(at, begun.get(stream) ?? at, waiting.get(stream) ?? at));
      for (const [gathered, kept] of [
        [now.brought, brought],
        [now.waiting, waiting],
      ] as const)
        for (const [stream, at] of gathered) kept.set(stream, Math.min(at, kept.get(stream) ?? at));
      checkpoints = new Map([...now.checkpoints, ...checkpoints]);
      throw error;
    }
  }

  const write = (): Promise<void> => (writing = writing.catch(() => undefined).then(writeGathered));

  const arm = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      write().catch((error: unknown) => {
        onError(error);
        arm();
      });
    }, writeDelayMs);
  };

  /** Every model stream from one on, up to another, is looked at by the next sweep, and counted anew. */
  async function forget(from: string, to: string): Promise<void> {
    await pool.query('delete from retention.counts where stream > $1 and stream < $2', [from, to]);
    let last: string | null = from;
    while (last !== null) {
      const { rows }: { rows: { last: string | null }[] } = await pool.query(forgetStatement, [
        last,
        to,
        forgottenPageStreams,
      ]);
      last = rows[0]!.last;
    }
  }

  /** The models that are in a project now; one that comes into it later is looked at for that. */
  async function streamsIn(tenant: string, project: string): Promise<string[]> {
    const { rows } = await pool.query<{ stream: string }>(
      'select stream from log.model_scopes where tenant = $1 and scope = $2',
      [tenant, project],
    );
    return rows.map(({ stream }) => stream);
  }

  async function bringForward(streams: readonly string[], to: Date): Promise<void> {
    await pool.query(
      'update retention.due set next_check_at = least(next_check_at, $2) where stream = any($1)',
      [streams, to],
    );
  }

  return {
    async adopt() {
      const adopted = JSON.stringify({ ...registry, deploymentTimeoutHours });
      const { rows } = await pool.query(
        'select from retention.reckoned_by where policy = $1::jsonb',
        [adopted],
      );
      if (rows.length > 0) return;
      await forget('model:', 'model;');
      await pool.query(
        `insert into retention.reckoned_by (policy) values ($1)
         on conflict (only_row) do update set policy = excluded.policy`,
        [adopted],
      );
    },

    async adoptPolicies() {
      const { rows } = await pool.query<{ stream: string; version: number; is_otherwise: boolean }>(
        {
          name: 'policies_that_moved',
          text: movedPoliciesStatement,
        },
      );
      const models: string[] = [];
      const tenants = new Set<string>();
      for (const { stream } of rows.filter(({ is_otherwise }) => is_otherwise)) {
        const { tenant, id } = parseStream(stream)!;
        if (id === 'tenant') tenants.add(tenant);
        else if (id.startsWith('model:'))
          models.push(`model:${tenant}:${id.slice('model:'.length)}`);
        else models.push(...(await streamsIn(tenant, id)));
      }
      for (const tenant of tenants) await forget(`model:${tenant}:`, `model:${tenant};`);
      await bringForward(models, new Date(0));
      await pool.query('delete from retention.counts where stream = any($1)', [models]);
      await pool.query(
        `insert into retention.reckoned_policies (stream, version) select * from unnest($1::text[], $2::integer[])
         on conflict (stream) do update set version = excluded.version`,
        [rows.map(({ stream }) => stream), rows.map(({ version }) => version)],
      );
    },

    async checkpoint(source) {
      const { rows } = await pool.query<{ next: string; mark: string | null }>(
        'select next, mark from retention.checkpoints where source = $1',
        [source],
      );
      const [row] = rows;
      return row === undefined ? { next: 0, mark: null } : { ...row, next: Number(row.next) };
    },

    async note(source, events, to) {
      for (const event of events) gather(event);
      checkpoints.set(source, to);
      if (begun.size + brought.size + waiting.size > gatheredStreamsMax) await write();
      else arm();
    },

    write,

    async claim(now, limit) {
      const { rows } = await pool.query<{ stream: string }>({
        name: 'claim_due_streams',
        text: claimStatement,
        values: [now, limit, new Date(now.getTime() + claimMs)],
      });
      for (const { stream } of rows) youngUntil.delete(stream);
      return rows.map(({ stream }) => stream);
    },

    async settle(stream, judgedVersion, nextCheckAt, judgedBy) {
      const { tenant } = parseStream(stream)!;
      const { rows } = await pool.query<{ settled: boolean }>({
        name: 'settle_due_stream',
        text: 'select retention.settle($1, $2, $3, $4, $5) as settled',
        values: [
          stream,
          judgedVersion,
          nextCheckAt ?? 'infinity',
          judgedBy.map(({ scope }) => policyStream(tenant, scope)),
          judgedBy.map(({ version }) => version),
        ],
      });
      return rows[0]!.settled;
    },

    release: bringForward,

    async countDue(now) {
      const { rows } = await pool.query<{ count: string }>({
        name: 'count_due_streams',
        text: 'select count(*) from retention.due where next_check_at <= $1',
        values: [now],
      });
      return Number(rows[0]!.count);
    },

    async swept(at, outcome) {
      await pool.query(
        `insert into retention.last_sweep (ended_at, outcome) values ($1, $2)
         on conflict (only_row) do update set ended_at = excluded.ended_at, outcome = excluded.outcome`,
        [at, outcome],
      );
    },

    async close() {
      await write();
    },
  };
}

// One statement: what begins, what is brought forward, and how far it was read. For a stream that was never looked at,
// nothing but a deployment that waits can be due before its first time.
const noteStatement = `
with begun as (
  insert into retention.due as d (stream, next_check_at)
  select * from unnest($1::text[], $2::timestamptz[])
  on conflict (stream) do update set next_check_at = excluded.next_check_at
  where d.next_check_at > excluded.next_check_at
), brought as (
  update retention.due d set next_check_at = b.at
  from unnest($3::text[], $4::timestamptz[], $5::boolean[]) as b(stream, at, is_waiting)
  where d.stream = b.stream and (d.checked_at is not null or b.is_waiting) and d.next_check_at > b.at
)
insert into retention.checkpoints (source, next, mark) select * from unnest($6::text[], $7::bigint[], $8::text[])
on conflict (source) do update set next = excluded.next, mark = excluded.mark`;

function noteValues(gathered: {
  begun: Map<string, number>;
  brought: Map<string, number>;
  waiting: Map<string, number>;
  checkpoints: Map<string, Checkpoint>;
}): unknown[] {
  const times = (atMs: Map<string, number>) => {
    // In one order in every process, so that two of them cannot deadlock.
    const sorted = [...atMs].sort(([left], [right]) => (left < right ? -1 : 1));
    return [sorted.map(([stream]) => stream), sorted.map(([, at]) => new Date(at))];
  };
  const { begun, brought, waiting, checkpoints } = gathered;
  // a row is changed once in a statement, and a stream that is looked at for one reason is judged for both
  const forward = new Map(brought);
  for (const [stream, at] of waiting) forward.set(stream, Math.min(at, forward.get(stream) ?? at));
  const sorted = times(forward) as [string[], Date[]];
  return [
    ...times(begun),
    ...sorted,
    sorted[0].map((stream) => waiting.has(stream)),
    [...checkpoints.keys()],
    Array.from(checkpoints.values(), ({ next }) => next),
    Array.from(checkpoints.values(), ({ mark }) => mark),
  ];
}

const claimStatement = `
update retention.due set next_check_at = $3, checked_at = $1
where stream in (
  select stream from retention.due where next_check_at <= $1
  order by next_check_at limit $2 for update skip locked
)
returning stream`;

// A page of the streams is due at once; answers with the last of them, or null past the end.
const forgetStatement = `
with page as (
  select stream from retention.due where stream > $1 and stream < $2 order by stream limit $3
), looked_at_again as (
  update retention.due d set next_check_at = '-infinity' from page where d.stream = page.stream
)
select max(stream) as last from page`;

// Policies that are at another version than the one that was reckoned with, and whether one of the events between them
// says anything of retention. A log that was restored from a backup may have gone back.
const movedPoliciesStatement = `
select s.stream, s.version, r.version > s.version or exists (
  select from log.events e
  where e.stream = s.stream and e.version > coalesce(r.version, 0)
    and (e.data -> 'changed' -> 'retention' is not null or e.data -> 'changed' -> 'may_override' is not null)
) as is_otherwise
from log.streams s left join retention.reckoned_policies r on r.stream = s.stream
where s.stream >= 'policy:' and s.stream < 'policy;' and s.version is distinct from r.version`;
