// Pages of lists whose rows have to be counted: made of what matches where that is little, walked to in order where it is much.
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readList } from '#services/projector/lists.ts';
import type { ListOf, PageQuery } from '#services/projector/lists.ts';
import type { Reader } from '#services/projector/reader.ts';
import { freshDatabase } from '#test/real/postgres.ts';

const most = 10_000;
const rows = most + 500;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: Pool;
let reader: Pick<Reader, 'rows'>;

beforeAll(async () => {
  database = await freshDatabase();
  pool = new Pool({ connectionString: database.url });
  await pool.query(
    `create table thing as select n as value, n % 3 as rest from generate_series(1, ${rows}) n order by random()`,
  );
  reader = { rows: async ({ text, values }) => (await pool.query(text, values)).rows };
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const valuesOf = async (
  query: PageQuery,
  conditions: ListOf['conditions'],
  direction: 'asc' | 'desc',
) => {
  const page = await readList<{ value: number }>(reader as Reader, query, {
    from: 'thing t',
    columns: 't.value',
    conditions,
    seen: [],
    order: { column: 't.value', type: 'bigint', direction },
    total: null,
  });
  return { ...page, rows: page.rows.map(({ value }) => value) };
};

const all = [{ sql: 't.value > ?', values: [0] }];
const third = [{ sql: 't.rest = ?', values: [1] }];
const thirds = Array.from({ length: rows }, (_, nth) => nth + 1).filter((n) => n % 3 === 1);

describe.each(['asc', 'desc'] as const)('in order %s', (direction) => {
  const ordered = (values: number[]) => (direction === 'asc' ? values : values.toReversed());

  test('few are counted to the last, and every page follows the one before', async () => {
    const seen: number[] = [];
    let page_token: string | undefined;
    do {
      const query = { page_size: 1_000, ...(page_token !== undefined && { page_token }) };
      const page = await valuesOf(query, third, direction);
      expect(page).toMatchObject({ totalCount: thirds.length, isCapped: false });
      seen.push(...page.rows);
      page_token = page.nextPageToken ?? undefined;
    } while (page_token !== undefined);
    expect(seen).toEqual(ordered(thirds));
  });

  test('many are counted up to a number, and found beyond it', async () => {
    const first = await valuesOf({ page_size: 3 }, all, direction);
    expect(first).toMatchObject({ totalCount: most, isCapped: true });
    expect(first.rows).toEqual(direction === 'asc' ? [1, 2, 3] : [rows, rows - 1, rows - 2]);
    const next = await valuesOf({ page_size: 2, page_token: first.nextPageToken! }, all, direction);
    expect(next.rows).toEqual(direction === 'asc' ? [4, 5] : [rows - 3, rows - 4]);
    const last = await valuesOf({ page: most / 5 + 100, size: 5 }, all, direction);
    expect(last.rows).toHaveLength(5);
    expect(last.nextPageToken).toBeNull();
  });
});

test.each([
  [most, false],
  [most + 1, true],
])('of %i that match there are more than are counted: %s', async (matching, isCapped) => {
  const page = await valuesOf({}, [{ sql: 't.value <= ?', values: [matching] }], 'asc');
  expect(page).toMatchObject({ totalCount: most, isCapped });
});

test('none are none', async () =>
  expect(await valuesOf({}, [{ sql: 't.value < ?', values: [0] }], 'asc')).toEqual({
    rows: [],
    nextPageToken: null,
    totalCount: 0,
    isCapped: false,
  }));
