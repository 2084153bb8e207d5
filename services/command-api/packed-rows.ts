// Rows of one kind as little JSON: each says only what differs from the row before it, as most of a row is what most rows say.

type Json = { readonly [key: string]: unknown };

/** What a row says else than the one before: values in place of its own, and patches of objects within. */
type Patch = readonly [replaced: Json, patched?: Readonly<Record<string, Patch>>];

/** A row that is too unlike the one before, or its patch. */
type PackedRow = { readonly row: Json } | Patch;

export type PackedRows = readonly PackedRow[];

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSameList = (one: readonly unknown[], other: readonly unknown[]): boolean =>
  one.length === other.length &&
  (one.length === 0 || JSON.stringify(one) === JSON.stringify(other));

/** What is the same needs no patch. */
const same: Patch = [{}];

/** Null where a patch cannot say it: other keys, or in another order, or a value that is gone. */
function patchOf(before: Json, row: Json): Patch | null {
  const replaced: Record<string, unknown> = {};
  const patched: Record<string, Patch> = {};
  let isPatched = false;
  let isSame = true;
  const keys = Object.keys(row);
  const keysBefore = Object.keys(before);
  if (keys.length !== keysBefore.length) return null;
  for (const [index, key] of keys.entries()) {
    // An assignment to `__proto__` would make no key of it.
    if (key !== keysBefore[index] || key === '__proto__') return null;
    const [was, is] = [before[key], row[key]];
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

function patchedBy(before: Json, [replaced, patched]: Patch): Json {
  const row: Record<string, unknown> = { ...before, ...replaced };
  for (const key in patched) row[key] = patchedBy(before[key] as Json, patched[key]!);
  return row;
}

export function packRows(rows: Iterable<object>): PackedRows {
  const packed: PackedRow[] = [];
  let before: Json | null = null;
  for (const row of rows as Iterable<Json>) {
    const patch: Patch | null = before === null ? null : patchOf(before, row);
    packed.push(patch ?? { row });
    before = row;
  }
  return packed;
}

/** What rows have in common they share, so nobody may change them in place. */
export function unpackRows<Row extends object>(packed: PackedRows): Row[] {
  const rows: Json[] = [];
  for (const one of packed) rows.push('row' in one ? one.row : patchedBy(rows.at(-1)!, one));
  return rows as Row[];
}
