// Compares rebuilt tables with those that serve: a difference is what the rebuild corrects, or what new code sees otherwise.
import type { View } from './views/view.ts';
import type { Transaction } from './writer.ts';

/** Rows shown of each view; they are enough to see what is wrong. */
const rowsShownMax = 10;

export type Difference = {
  view: string;
  row: string;
  /** Where the row stands: in both with other contents, or only in one. */
  in: 'both' | 'serving' | 'rebuilt';
};

type Tables = { generation: number; streamVersions: number };

/**
 * Rows that differ, some of them. Of models that the two generations have at different versions nothing is compared; a view
 * without `model_id` is compared whole, so call it for such a view only where all versions are equal. The rest of the
 * transaction has plans for whole tables.
 */
export async function compareView(
  transaction: Transaction,
  view: View,
  serving: Tables,
  rebuilt: Tables,
): Promise<Difference[]> {
  // Whole tables are read: the plans of lookups, which these connections prefer, would take minutes.
  for (const plan of ['seqscan', 'hashjoin', 'mergejoin'])
    await transaction.query(`set local enable_${plan} = on`);
  await transaction.query('set local enable_nestloop = off');
  const same = `
    with same as materialized (
      select split_part(s.stream, ':', 3)::uuid as model_id
      from views.stream_versions_g${serving.streamVersions} s
      join views.stream_versions_g${rebuilt.streamVersions} r on r.stream = s.stream and r.version = s.version
      where s.stream like 'model:%')`;
  const compared = (generation: number): string =>
    `from views.${view.name}_g${generation} t ${view.hasModelId ? 'where model_id in (select model_id from same)' : ''}`;
  // Rows of which none differs are as many, and their hashes have the same sum; that is told in half the time of a join. A row's hash
  // is itself a sum of those of its columns, so that rows which exchange a column have the same sum: it is hashed once more.
  const sumOf = (generation: number): string =>
    `(select row(count(*), sum(hashtextextended(hash_record_extended(t, 0)::text, 0))) ${compared(generation)})`;
  const sums = await transaction.query<{ equal: boolean }>(
    `${same} select ${sumOf(serving.generation)} is not distinct from ${sumOf(rebuilt.generation)} as equal`,
  );
  if (sums.rows[0]!.equal) return [];
  const rowsOf = (generation: number): string =>
    `select ${view.rowName} as name, hash_record_extended(t, 0) as hash ${compared(generation)}`;
  const { rows } = await transaction.query<{ name: string; in: Difference['in'] }>(
    `${same}
     select coalesce(s.name, r.name) as name,
       case when r.name is null then 'serving' when s.name is null then 'rebuilt' else 'both' end as in
     from (${rowsOf(serving.generation)}) s full join (${rowsOf(rebuilt.generation)}) r on r.name = s.name
     where r.hash is distinct from s.hash limit ${rowsShownMax}`,
  );
  return rows.map((row) => ({ view: view.name, row: row.name, in: row.in }));
}
