// Sums of the counters: how much there is, of one tenant for its own eyes, or of all for the metrics.
import { namesOf } from '#events/access.ts';
import type { Scope } from '#events/access.ts';
import type { ModelThen } from '#infra/as-of.ts';
import type { Reader } from './reader.ts';
import type { Dimension } from './views/stats.ts';

/** Values shown of a dimension that callers fill: the most frequent; the rest is only in the totals. */
const keysShownMax = 100;

/** Counts by value of each dimension, the largest first; a dimension of nothing is absent. */
export type Totals = Partial<Record<Dimension, Record<string, number>>>;

/** What the rows of models come to; `models` is a set with their `model_id`, `framework`, `team` and `project`. */
const countedRows = (models: string): string => `
  select 'models' as dimension, '' as key from ${models}
  union all select 'models_by_framework', framework from ${models} where framework is not null
  union all select 'models_by_team', team from ${models} where team is not null
  union all select 'models_by_project', project from ${models} where project is not null
  union all select kind, key from ${models} join views.versions_gN v using (model_id), lateral (values
    ('versions', ''), ('versions_by_stage', v.stage), ('versions_by_readiness', v.readiness)) as c(kind, key)
    where not v.is_deleted
  union all select 'deployments_active', '' from ${models} join views.deployments_gN d using (model_id)
    where d.status = 'deployed'`;

/** The most frequent values of `counted`, which has a `dimension`, a `key` and a `count`. */
const mostFrequent = `
  select dimension, key, count::text from (
    select dimension, key, sum(count) as count,
      row_number() over (partition by dimension order by sum(count) desc, key) as nth
    from counted group by dimension, key having sum(count) <> 0) ranked
  where nth <= ${keysShownMax} order by dimension, nth`;

/**
 * The counters, without what belongs to deleted models: they are few, and what is theirs is told by their rows.
 * @param tenant null: of all tenants, which nobody but an operator may see
 */
export async function readTotals(reader: Reader, tenant: string | null): Promise<Totals> {
  const rows = await reader.rows<{ dimension: Dimension; key: string; count: string }>({
    name: 'totals',
    text: `with deleted as materialized (
             select model_id, framework, team, project from views.models_gN
             where is_deleted and ($1::text is null or tenant = $1)
           ),
           counted as (
             select dimension, key, count from views.stats_gN where $1::text is null or tenant = $1
             union all select dimension, key, -1 from (${countedRows('deleted')}) taken_off
           )
           ${mostFrequent}`,
    values: [tenant],
  });
  return totalsOf(rows);
}

/**
 * The same counts of the models in some scopes only. Counters know nothing of those together, so rows are counted: who sees
 * the whole tenant does not pay for it.
 */
export async function countSeen(
  reader: Reader,
  tenant: string,
  sees: readonly Scope[],
): Promise<Totals> {
  const rows = await reader.rows<{ dimension: Dimension; key: string; count: string }>({
    name: 'totals of scopes',
    text: `with seen as materialized (
             select model_id, framework, team, project from views.models_gN
             where tenant = $1 and (team = any($2) or project = any($3)) and not is_deleted
           ),
           counted as (select dimension, key, 1 as count from (${countedRows('seen')}) rows_of_seen)
           ${mostFrequent}`,
    values: [tenant, namesOf(sees, 'team'), namesOf(sees, 'project')],
  });
  return totalsOf(rows);
}

/** The same counts of models in memory, as they were then. */
export function countThen(models: readonly ModelThen[]): Totals {
  const counts = new Map<Dimension, Map<string, number>>();
  function count(dimension: Dimension, key: string | null): void {
    if (key === null) return;
    const byKey = counts.get(dimension) ?? new Map<string, number>();
    counts.set(dimension, byKey.set(key, (byKey.get(key) ?? 0) + 1));
  }
  for (const { model, versions, deployments } of models) {
    if (model.state === 'deleted') continue;
    count('models', '');
    count('models_by_framework', model.framework);
    count('models_by_team', model.team);
    count('models_by_project', model.project);
    for (const { stage, readiness, deleted_at } of versions.values()) {
      if (deleted_at !== null) continue;
      count('versions', '');
      count('versions_by_stage', stage);
      count('versions_by_readiness', readiness);
    }
    for (const { status } of deployments.values())
      if (status === 'deployed') count('deployments_active', '');
  }
  const totals: Totals = {};
  for (const [dimension, byKey] of counts) {
    const ranked = [...byKey].toSorted(
      ([key, many], [other, less]) => less - many || (key < other ? -1 : 1),
    );
    totals[dimension] = Object.fromEntries(ranked.slice(0, keysShownMax));
  }
  return totals;
}

function totalsOf(rows: readonly { dimension: Dimension; key: string; count: string }[]): Totals {
  const totals: Totals = {};
  for (const { dimension, key, count } of rows) (totals[dimension] ??= {})[key] = Number(count);
  return totals;
}

/** A dimension without values: one number. */
export const totalOf = (totals: Totals, dimension: Dimension): number =>
  totals[dimension]?.[''] ?? 0;
