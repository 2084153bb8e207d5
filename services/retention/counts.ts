// How many versions are due, kept, in use and archived: counted model by model, and again only where something has changed.
import type { Pool } from 'pg';
import type { Principal } from '#events/access.ts';
import type { EventLog } from '#events/log.ts';
import { due } from '#events/model/due.ts';
import type { ModelEventData } from '#events/model/events.ts';
import { endOfUses } from '#events/model/uses.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { fold } from './fold.ts';
import type { KeepingOf } from './policies.ts';

/** Models that one answer counts anew: about a second of work. The others are counted by the answers that follow. */
const countedModelsMax = 500;
/** Counted side by side, as a sweep looks at them. */
const modelsAtOnce = 4;

const archivedColumn = {
  manual: 'archived_manual',
  retention_age: 'archived_by_age',
  retention_count: 'archived_by_count',
  superseded: 'archived_superseded',
} as const satisfies Record<ModelEventData<'model.archived'>['cause'], string>;
const columns = ['models', 'due', 'kept', 'in_use', ...Object.values(archivedColumn)] as const;
type Column = (typeof columns)[number];

type ModelCount = Record<Column, number> & {
  stream: string;
  version: number;
  true_until: string;
};

type Counted = Record<Column, number> & {
  /** Models of which more is known by the next answers. */
  not_counted: number;
  /** The position that the answer holds at least. */
  position: number;
  last_sweep: { at: string; outcome: string } | null;
};

export type CountVersions = (principal: Pick<Principal, 'tenant' | 'sees'>) => Promise<Counted>;

export function openCounts(deps: {
  pool: Pool;
  log: Pick<EventLog, 'readStream'>;
  keepingOf: KeepingOf;
  clock: Pick<Clock, 'now'>;
}): CountVersions {
  const { pool, log, keepingOf, clock } = deps;

  async function count(stream: string, now: Date): Promise<ModelCount> {
    const state = await fold(log, stream);
    const counted: ModelCount = {
      stream,
      version: state.stream_version,
      true_until: 'infinity',
      models: 0,
      due: 0,
      kept: 0,
      in_use: 0,
      archived_manual: 0,
      archived_by_age: 0,
      archived_by_count: 0,
      archived_superseded: 0,
    };
    const { model } = state;
    if (model === null || model.state === 'deleted') return counted;
    const judged = due(state, (await keepingOf(model)).retention, now);
    counted.models = 1;
    counted.due = judged.due.length;
    const changes = [judged.next_due_at, ...judged.kept.map(({ uses }) => endOfUses(uses))];
    // no text of a time sorts behind it
    counted.true_until = changes.reduce<string>(
      (first, at) => (at !== null && at < first ? at : first),
      'infinity',
    );
    for (const { because } of judged.kept) counted[because === 'in_use' ? 'in_use' : 'kept'] += 1;
    for (const { stage, archive_cause, deleted_at } of state.versions.values())
      if (stage === 'archived' && deleted_at === null)
        counted[archivedColumn[archive_cause ?? 'manual']] += 1;
    return counted;
  }

  return async ({ tenant, sees }) => {
    const now = clock.now();
    const among = [`model:${tenant}:`, `model:${tenant};`, sees];
    const { rows: waiting } = await pool.query<{ stream: string }>({
      name: 'models_to_count',
      text: staleStatement,
      values: [...among, now, countedModelsMax],
    });
    const counted: ModelCount[] = [];
    const worker = async (): Promise<void> => {
      for (let one = waiting.pop(); one !== undefined; one = waiting.pop())
        counted.push(await count(one.stream, now));
    };
    await Promise.all(Array.from({ length: modelsAtOnce }, worker));
    await pool.query({
      name: 'store_counts',
      text: storeStatement,
      values: [
        JSON.stringify(counted.toSorted((left, right) => (left.stream < right.stream ? -1 : 1))),
      ],
    });
    const { rows } = await pool.query<
      Record<Column | 'not_counted' | 'position', string> & {
        swept_at: Date | null;
        outcome: string | null;
      }
    >({ name: 'sum_counts', text: sumStatement, values: [...among, now] });
    const { swept_at, outcome, ...sums } = rows[0]!;
    return {
      ...(Object.fromEntries(
        Object.entries(sums).map(([column, sum]) => [column, Number(sum)]),
      ) as Record<keyof typeof sums, number>),
      last_sweep:
        swept_at === null ? null : { at: swept_at.toISOString(), outcome: outcome ?? 'ok' },
    };
  };
}

/** Those that the caller may see, of one tenant: its streams lie between $1 and $2. */
const seen = (stream: string): string => `
  ${stream} > $1 and ${stream} < $2 and ($3::text[] is null or exists (
    select from log.model_scopes m where m.stream = ${stream} and m.scope = any($3)
  ))`;

const staleStatement = `
select s.stream from log.streams s left join retention.counts c on c.stream = s.stream
where ${seen('s.stream')} and (c.version is distinct from s.version or c.true_until <= $4)
order by s.stream limit $5`;

// What somebody else counted of a later version stays.
const storeStatement = `
insert into retention.counts as c (stream, version, true_until, ${columns.join(', ')})
select stream, version, true_until, ${columns.join(', ')}
from json_populate_recordset(null::retention.counts, $1)
on conflict (stream) do update set (version, true_until, ${columns.join(', ')}) =
  (excluded.version, excluded.true_until, ${columns.map((column) => `excluded.${column}`).join(', ')})
where c.version <= excluded.version`;

const sumStatement = `
select h.position, w.ended_at as swept_at, w.outcome,
  ${columns.map((column) => `coalesce(sum(c.${column}), 0) as ${column}`).join(', ')},
  (select count(*) from log.streams s left join retention.counts c on c.stream = s.stream
   where ${seen('s.stream')} and (c.version is distinct from s.version or c.true_until <= $4)) as not_counted
from log.log_head h
left join retention.last_sweep w on true
left join retention.counts c on ${seen('c.stream')}
group by h.position, w.ended_at, w.outcome`;
