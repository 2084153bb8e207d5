// Sums of the counters: how much there is, of one tenant for its own eyes, or of all for the metrics.
import type { Scope } from '#events/access.ts';
import type { Reader } from './reader.ts';
import type { Dimension } from './views/stats.ts';

/** Values shown of a dimension that callers fill: the most frequent; the rest is only in the totals. */
const keysShownMax = 100;

/** Counts by value of each dimension, the largest first; a dimension of nothing is absent. */
export type Totals = Partial<Record<Dimension, Record<string, number>>>;

/** @param tenant null: of all tenants, which nobody but an operator may see */
export async function readTotals(reader: Reader, tenant: string | null): Promise<Totals> {
  const rows = await reader.rows<{ dimension: Dimension; key: string; count: string }>({
    name: 'totals',
    text: `select dimension, key, count from (
             select dimension, key, sum(count)::text as count,
               row_number() over (partition by dimension order by sum(count) desc, key) as nth
             from views.stats_gN where $1::text is null or tenant = $1
             group by dimension, key having sum(count) <> 0) counted
           where nth <= ${keysShownMax} order by dimension, nth`,
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
             select m.model_id, m.framework, m.team, m.project from views.models_gN m
             where m.tenant = $1 and (m.team = any($2) or m.project = any($3))
               and m.state::json ->> 'deleted_at' is null
           ),
           counted as (
             select 'models' as dimension, '' as key from seen
             union all select 'models_by_framework', framework from seen where framework is not null
             union all select 'models_by_team', team from seen where team is not null
             union all select 'models_by_project', project from seen where project is not null
             union all select 'versions', '' from seen join views.versions_gN v using (model_id)
             union all select 'versions_by_stage', v.stage from seen join views.versions_gN v using (model_id)
             union all select 'versions_by_readiness', v.readiness from seen join views.versions_gN v using (model_id)
             union all select 'deployments_active', '' from seen join views.deployments_gN d using (model_id)
               where d.tenant = $1 and d.status = 'deployed'
           )
           select dimension, key, count from (
             select dimension, key, count(*)::text as count,
               row_number() over (partition by dimension order by count(*) desc, key) as nth
             from counted group by dimension, key) ranked
           where nth <= ${keysShownMax} order by dimension, nth`,
    values: [tenant, namesOf(sees, 'team'), namesOf(sees, 'project')],
  });
  return totalsOf(rows);
}

const namesOf = (sees: readonly Scope[], kind: 'team' | 'project'): string[] =>
  sees.filter((scope) => scope.startsWith(`${kind}:`)).map((scope) => scope.slice(kind.length + 1));

function totalsOf(rows: readonly { dimension: Dimension; key: string; count: string }[]): Totals {
  const totals: Totals = {};
  for (const { dimension, key, count } of rows) (totals[dimension] ??= {})[key] = Number(count);
  return totals;
}

/** A dimension without values: one number. */
export const totalOf = (totals: Totals, dimension: Dimension): number =>
  totals[dimension]?.[''] ?? 0;
