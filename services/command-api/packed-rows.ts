// Rows of one kind as little JSON: each says only what differs from the first, as most of a row is what most rows say.

type Json = { readonly [key: string]: unknown };

/** What a row says else than the first one: values in place of its own, and patches of objects within. */
type Patch = readonly [replaced: Json, patched?: Readonly<Record<string, Patch>>];

/** A row that is too unlike the first one, or its patch. */
export type PackedRow = { readonly row: Json } | Patch;

export type PackedRows = readonly PackedRow[];

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSameList = (one: readonly unknown[], other: readonly unknown[]): boolean =>
  one.length === other.length &&
  (one.length === 0 || JSON.stringify(one) === JSON.stringify(other));

/** What is the same needs no patch. */
const same: Patch = [{}];

/** Null where a patch cannot say it: other keys, or in another order, or a value that is gone. */
function patchOf(first: Json, row: Json): Patch | null {
  const replaced: Record<string, unknown> = {};
  const patched: Record<string, Patch> = {};
  let isPatched = false;
  let isSame = true;
  const keys = Object.keys(row);
  const keysOfFirst = Object.keys(first);
  if (keys.length !== keysOfFirst.length) return null;
  for (const [index, key] of keys.entries()) {
    // An assignment to `__proto__` would make no key of it.
    if (key !== keysOfFirst[index] || key === '__proto__') return null;
    const [was, is] = [first[key], row[key]];
    if (was === is || (Array.isArray(was) && Array.isArray(is) && isSameList(was, is))) continue;
    if (is === undefined) return null;
    const patch = isObject(was) && isObject(is) ? patchOf(was, is) : null;
    if (patch === same) continue;
    isSame = false;
    if (patch === null) {
      replaced[key] = is;
    } else {
      isPatched = true;
      patched[key] = patch;
    }
  }
  if (isSame) return same;
  return isPatched ? [replaced, patched] : [replaced];
}

function patchedBy(first: Json, [replaced, patched]: Patch): Json {
  const row: Record<string, unknown> = { ...first, ...replaced };
  for (const key in patched) row[key] = patchedBy(first[key] as Json, patched[key]!);
  return row;
}

/** @param known the row that the others are compared with, where it is kept elsewhere; else the first of them is */
export function packRows(rows: Iterable<object>, known: object | null = null): PackedRows {
  const packed: PackedRow[] = [];
  let first = known as Json | null;
  for (const row of rows as Iterable<Json>) {
    const patch: Patch | null = first === null ? null : patchOf(first, row);
    packed.push(patch ?? { row });
    first ??= row;
  }
  return packed;
}

/** What rows have in common they share, so nobody may change them in place. */
export const unpackRow = <Row extends object>(first: Row, packed: PackedRow): Row =>
  ('row' in packed ? packed.row : patchedBy(first as Json, packed)) as Row;

export function unpackRows<Row extends object>(packed: PackedRows): Row[] {
  const rows: Row[] = [];
  for (const one of packed) rows.push(unpackRow(rows[0]!, one));
  return rows;
}
