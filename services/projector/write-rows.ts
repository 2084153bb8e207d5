// How a view's rows are written, many by one statement: each column as an array, and the rows as JSON in one parameter of bytes.
import { columnArray } from '#infra/postgres/array-literal.ts';
import type { Element } from '#infra/postgres/array-literal.ts';
import type { TextParameters } from '#infra/postgres/text-batch.ts';
import type { Column, View } from './views/view.ts';

/** Where the columns' parameters begin: before them are the bytes of the JSON texts, their starts and lengths. */
const firstColumn = 4;

/** Arrays within an array would all have to be of one length, so each is a text with its own literal. */
const unnested = ([type]: Column, parameter: number): string =>
  type === 'text[]' ? `unnest($${parameter}::text[])::text[]` : `unnest($${parameter}::${type}[])`;

/**
 * SQL that adds rows, or replaces what has the same key; in a batch each key stands once. Arrays unnested by one `select` go row
 * by row, where a function in `from` would first put all its rows aside.
 */
export function writeStatement({ name, columns, key }: View, generation: number): string {
  const table = `views.${name}_g${generation}`;
  const names = [...Object.keys(columns), 'state'];
  const rows = `
    select ${Object.entries(columns)
      .map(([column, of], nth) => `${unnested(of, firstColumn + nth)} as ${column}`)
      .join(', ')},
      convert_from(substr($1::bytea, unnest($2::integer[]), unnest($3::integer[])), 'UTF8') as state`;
  if (key === null) return `insert into ${table} (${names.join(', ')}) ${rows}`;
  const others = names.filter((column) => !key.includes(column));
  return `
    merge into ${table} as t
    using (${rows}) as r
    on ${key.map((column) => `t.${column} = r.${column}`).join(' and ')}
    when matched then update set ${others.map((column) => `${column} = r.${column}`).join(', ')}
    when not matched then
      insert (${names.join(', ')}) values (${names.map((column) => `r.${column}`).join(', ')})`;
}

/** The parameters of `writeStatement`; `texts` are the rows as JSON, in the same order. */
export const writeParameters = (
  { columns }: View,
  rows: readonly unknown[],
  texts: TextParameters,
): unknown[] => [
  texts.bytes,
  texts.starts,
  texts.lengths,
  ...Object.values(columns).map((column) => columnArray(rows.map((row) => elementOf(column, row)))),
];

function elementOf([type, valueIn]: Column, row: unknown): Element {
  // a row that was folded from events of an older shape may lack a field
  const value = valueIn(row) ?? null;
  if (value === null) return null;
  if (type === 'jsonb') return JSON.stringify(value);
  return type === 'text[]' ? columnArray(value as readonly string[]) : (value as Element);
}
