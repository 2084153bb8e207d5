// Values and rows given as one array come back as they were, whatever stands in them.
import * as fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { columnArray, rowArray } from '#infra/postgres/array-literal.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';

let database: FreshDatabase;
let client: Client;
beforeAll(async () => {
  database = await freshDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('create type mixed as (a text, b integer, c boolean, d text)');
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

const text = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({
      unit: fc.constantFrom('"', '\\', ',', '(', ')', '{', '}', ' ', '\n', '\u001e', 'N'),
    }),
    fc.constantFrom('', 'NULL', 'null'),
  )
  .filter((written) => !written.includes('\u0000') && written.isWellFormed());
const integer = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

it.each([
  ['text', text],
  ['integer', integer],
  ['boolean', fc.boolean()],
  ['jsonb', fc.array(text).map((texts) => JSON.stringify(texts))],
] as const)('is read as %s by unnest as it was written', async (type, value) => {
  const values = fc.array(fc.option(value as fc.Arbitrary<string | number | boolean>), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(values, async (written) => {
      const { rows } = await client.query<[unknown]>({
        text: `select unnest($1::${type}[])`,
        values: [columnArray(written)],
        rowMode: 'array',
      });
      const expected =
        type === 'jsonb'
          ? written.map((json): unknown => (json === null ? null : JSON.parse(String(json))))
          : written;
      expect(rows.map(([read]) => read)).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

it('holds arrays, each as its own literal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(text), { maxLength: 10 }), async (written) => {
      const { rows } = await client.query<[unknown]>({
        text: 'select unnest($1::text[])::text[]',
        values: [columnArray(written.map(columnArray))],
        rowMode: 'array',
      });
      expect(rows.map(([read]) => read)).toEqual(written);
    }),
    { numRuns: 100 },
  );
});

const row = fc.tuple(fc.option(text), fc.option(integer), fc.option(fc.boolean()), text);

it('holds rows of a composite type', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 20 }), async (rows) => {
      const { rows: read } = await client.query({
        text: 'select * from unnest($1::mixed[])',
        values: [rowArray(rows)],
        rowMode: 'array',
      });
      expect(read).toEqual(rows);
    }),
    { numRuns: 300 },
  );
});
