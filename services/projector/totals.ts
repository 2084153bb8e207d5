// Sums of the counters: how much there is, of one tenant for its own eyes, or of all for the metrics.
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
  const totals: Totals = {};
  for (const { dimension, key, count } of rows) (totals[dimension] ??= {})[key] = Number(count);
  return totals;
}

/** A dimension without values: one number. */
export const totalOf = (totals: Totals, dimension: Dimension): number =>
  totals[dimension]?.[''] ?? 0;
