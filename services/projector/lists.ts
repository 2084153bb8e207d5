// Lists: one statement gives a page, where the next begins, and how many there are in all.
import { hash } from 'node:crypto';
import { z } from 'zod';
import { Problem } from '#infra/http/problems.ts';
import type { Reader } from './reader.ts';

const pageSizeMax = 1_000;
const pageSizeDefault = 50;
/** Pages by number are found by counting rows, so they end somewhere; tokens go on for ever. */
const offsetMax = 1_000_000;
/**
 * Rows that match are counted up to so many, where no counter knows them: more would be looked at for a number that nobody
 * reads to its end. The answer says so.
 */
const countedMax = 10_000;
/** Statements with these sizes are prepared; others are asked too seldom to be kept on every connection. */
const preparedSizes: ReadonlySet<number> = new Set([10, 20, 25, pageSizeDefault, 100]);

/** PostgreSQL cuts the names of prepared statements at 63 bytes, silently. */
const nameCharacters = 32;

const size = z.coerce.number().int().min(1).max(pageSizeMax).optional();

/** The query parameters of every list. */
export const pageQuery = {
  page_size: size,
  page_token: z.string().max(2_048).optional(),
  page: z.coerce.number().int().min(1).max(offsetMax).optional(),
  size,
};
export type PageQuery = {
  page_size?: number | undefined;
  page_token?: string | undefined;
  page?: number | undefined;
  size?: number | undefined;
};

export type Order = { column: string; type: 'bigint' | 'text' | 'uuid'; direction: 'asc' | 'desc' };

/** What a list is made of. Values stand in the conditions as `?`, in order. */
export type ListOf = {
  from: string;
  columns: string;
  conditions: readonly { sql: string; values: readonly unknown[] }[];
  /** What the caller may see of it: `seenBy`, or nothing more where the model was found for the caller before. */
  seen: readonly { sql: string; values: readonly unknown[] }[];
  /** By a column that no two rows share. */
  order: Order;
  /** SQL of a cheaper count than counting the rows, which has no end; or null. */
  total: { sql: string; values: readonly unknown[] } | null;
};

/**
 * SQL of a tenant's deleted models, which counters count on, with the tenant as its value. Found by their own index before
 * anything more is asked of them: any other index leads to many that are not deleted.
 */
export const deletedModels =
  '(select model_id, framework, team, project from views.models_gN where tenant = ? and is_deleted offset 0)';

export type ListPage<Row> = {
  rows: Row[];
  nextPageToken: string | null;
  totalCount: number;
  /** There are more than `totalCount`. */
  isCapped: boolean;
};

type Place = { limit: number; offset: number; after: string | null };

const invalid = (parameter: string, message: string): Problem =>
  new Problem('invalid', { errors: [{ pointer: `?${parameter}`, message }] });

/** @throws Problem `invalid` */
function placeOf(query: PageQuery, order: Order): Place {
  const { page_size, page_token, page, size } = query;
  const byNumber = page !== undefined;
  if (
    (byNumber && page_token !== undefined) ||
    ((byNumber || size !== undefined) && page_size !== undefined)
  )
    throw invalid('page', 'go by page_size and page_token, or by page and size');
  const limit = page_size ?? size ?? pageSizeDefault;
  const offset = ((page ?? 1) - 1) * limit;
  if (offset > offsetMax)
    throw invalid('page', `goes no further than ${offsetMax} rows; use page_token`);
  return { limit, offset, after: page_token === undefined ? null : valueOf(page_token, order) };
}

/** A token names the order that it belongs to, and the last row's value in it. */
const tokenOf = (order: Order, value: string): string =>
  Buffer.from(JSON.stringify([order.column, order.direction, value])).toString('base64url');

const isValueOf = {
  bigint: /^\d{1,18}$/,
  // oxlint-disable-next-line no-control-regex -- PostgreSQL holds no NUL
  text: /^[^\u0000]*$/,
  uuid: /^[0-9a-f-]{36}$/,
} as const;

function valueOf(token: string, order: Order): string {
  const fault = invalid('page_token', 'is not a page_token of this list in this order');
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw fault;
  }
  if (!Array.isArray(parsed) || parsed.length !== 3) throw fault;
  const [column, direction, value] = parsed as unknown[];
  if (column !== order.column || direction !== order.direction || typeof value !== 'string')
    throw fault;
  if (!isValueOf[order.type].test(value) || !value.isWellFormed()) throw fault;
  return value;
}

/**
 * As the database compares texts, by code points: by UTF-16 units, what lies beyond the basic plane comes before the last
 * of those within it.
 */
export function compareTexts(left: string, right: string): number {
  const end = Math.min(left.length, right.length);
  for (let at = 0; at < end; at++) {
    const one = left.charCodeAt(at);
    const other = right.charCodeAt(at);
    if (one !== other) return inCodePoints(one) - inCodePoints(other);
  }
  return left.length - right.length;
}

/** Puts the surrogates (U+D800 to U+DFFF) behind all other units. */
const inCodePoints = (unit: number): number =>
  unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;

const compareValues = (left: string | number, right: string | number): number =>
  typeof left === 'number' ? left - Number(right) : compareTexts(left, String(right));

/** The first so many of rows in an order: the others are passed by, not sorted. */
function firstOf<Row>(
  rows: readonly Row[],
  count: number,
  compare: (left: Row, right: Row) => number,
): Row[] {
  let first: Row[] = [];
  let worst: Row | undefined;
  const cut = (): void => {
    first = first.sort(compare).slice(0, count);
    worst = first.length < count ? undefined : first.at(-1);
  };
  for (const row of rows) {
    if (worst !== undefined && compare(row, worst) >= 0) continue;
    if (first.push(row) >= 2 * count) cut();
  }
  cut();
  return first;
}

/** A page with these rows, and with what leads to the next where there is one. */
const pageWith = <Row>(
  rows: Row[],
  isLast: boolean,
  totalCount: number,
  order: Order,
  valueOf: (row: Row) => string | number,
): ListPage<Row> => ({
  rows,
  nextPageToken: isLast ? null : tokenOf(order, String(valueOf(rows.at(-1)!))),
  totalCount,
  isCapped: false,
});

/**
 * A page of rows that are all in memory, in an order of theirs.
 * @param valueOf what the rows are ordered by; no two share it
 * @throws Problem `invalid` for a page that cannot be
 */
export function pageOf<Row>(
  rows: readonly Row[],
  query: PageQuery,
  order: Order,
  valueOf: (row: Row) => string | number,
): ListPage<Row> {
  const { limit, offset, after } = placeOf(query, order);
  const sign = order.direction === 'asc' ? 1 : -1;
  const compare = (left: string | number, right: string | number): number =>
    sign * compareValues(left, right);
  const from = order.type === 'bigint' && after !== null ? Number(after) : after;
  const beyond = from === null ? rows : rows.filter((row) => compare(valueOf(row), from) > 0);
  const first = firstOf(beyond, offset + limit, (left, right) =>
    compare(valueOf(left), valueOf(right)),
  );
  const isLast = beyond.length <= offset + limit;
  return pageWith(first.slice(offset), isLast, rows.length, order, valueOf);
}

/**
 * The same of rows that are in their ascending order already, whatever the order of the list.
 * @throws Problem `invalid` for a page that cannot be
 */
export function pageOfOrdered<Row>(
  rows: ArrayLike<Row>,
  query: PageQuery,
  order: Order,
  valueOf: (row: Row) => string | number,
): ListPage<Row> {
  const { limit, offset, after } = placeOf(query, order);
  const isAscending = order.direction === 'asc';
  const sign = isAscending ? 1 : -1;
  const total = rows.length;
  const rowAt = (nth: number): Row => rows[isAscending ? nth : total - 1 - nth]!;
  let [low, high] = [0, after === null ? 0 : total];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sign * compareValues(valueOf(rowAt(middle)), after!) > 0) high = middle;
    else low = middle + 1;
  }
  const first = low + offset;
  const page = Array.from({ length: Math.max(0, Math.min(limit, total - first)) }, (_, nth) =>
    rowAt(first + nth),
  );
  return pageWith(page, total <= first + limit, total, order, valueOf);
}

/** How many rows tell the first page of a list and whether another follows; null where another page is asked for. */
export function firstPageRows({ page_size, page_token, page, size }: PageQuery): number | null {
  if (page_token !== undefined || page !== undefined || size !== undefined) return null;
  return (page_size ?? pageSizeDefault) + 1;
}

/** The first page of a list, of the rows that `firstPageRows` asks for. */
export function firstPageOf<Row>(
  rows: readonly Row[],
  asked: number,
  totalCount: number,
  order: Order,
  valueOf: (row: Row) => string | number,
): ListPage<Row> {
  return pageWith(rows.slice(0, asked - 1), rows.length < asked, totalCount, order, valueOf);
}

/**
 * Reads a page. The rows, the count and the next page's beginning are of one moment.
 * @throws Problem `invalid` for a page that cannot be; LogUnavailable
 */
export async function readList<Row extends object>(
  reader: Reader,
  query: PageQuery,
  list: ListOf,
): Promise<ListPage<Row>> {
  const { from, columns, order } = list;
  const conditions = [...list.conditions, ...list.seen];
  const { limit, offset, after } = placeOf(query, order);
  const values: unknown[] = [];
  const bind = ({ sql, values: bound }: { sql: string; values: readonly unknown[] }): string => {
    let nth = 0;
    return sql.replaceAll('?', () => `$${values.push(bound[nth++])}`);
  };
  const matching = conditions.map(bind).join(' and ');
  const total = list.total === null ? null : bind(list.total);
  const comparison = order.direction === 'asc' ? '>' : '<';
  const last = after === null ? null : `$${values.push(after)}::${order.type}`;
  const beyond = (column: string): string =>
    last === null ? '' : `and ${column} ${comparison} ${last}`;
  const page = (column: string): string =>
    `order by ${column} ${order.direction} limit ${limit + 1} offset ${offset}`;
  const selected = `select ${columns}, ${order.column}::text as cursor from ${from}`;
  const walked = `${selected} where ${matching} ${beyond(order.column)}`;
  const text =
    total === null
      ? listOfHits({ list, matching, selected, walked, beyond: beyond('place'), page })
      : `select p.*, (${total})::text as total_count
         from (values (1)) one left join lateral (${walked} ${page(order.column)}) p on true`;
  const isPrepared = preparedSizes.has(limit) && offset === 0;
  const rows = await reader.rows<Row & { cursor: string | null; total_count: string }>({
    name: isPrepared ? `list ${hash('sha256', text, 'base64url').slice(0, nameCharacters)}` : null,
    text,
    values,
  });
  const counted = Number(rows[0]!.total_count);
  const isCapped = total === null && counted > countedMax;
  const found = rows.filter(({ cursor }) => cursor !== null);
  const shown = found.slice(0, limit);
  return {
    rows: shown,
    nextPageToken: found.length > limit ? tokenOf(order, shown.at(-1)!.cursor!) : null,
    totalCount: isCapped ? countedMax : counted,
    isCapped,
  };
}

/**
 * A page of rows that have to be counted. All that match are looked at once, and where they are few enough, the page is made of
 * them; where they are many, it is soon found by walking in the order of the list.
 */
function listOfHits(sql: {
  list: ListOf;
  matching: string;
  selected: string;
  walked: string;
  beyond: string;
  page: (column: string) => string;
}): string {
  const { list, matching, selected, walked, beyond, page } = sql;
  const { column } = list.order;
  const [row] = column.split('.');
  return `
    with hit as materialized (
      select ${row}.ctid as at, ${column} as place from ${list.from} where ${matching} limit ${countedMax + 1})
    select p.*, (select count(*) from hit)::text as total_count
    from (values (1)) one left join lateral (
      (${selected} where (select count(*) from hit) <= ${countedMax}
         and ${row}.ctid = any(array(select at from hit where true ${beyond} ${page('place')}))
         order by ${column} ${list.order.direction})
      union all
      (${walked} and (select count(*) from hit) > ${countedMax} ${page(column)})) p on true`;
}
