// Rows given as one array come back as they were, whatever stands in them.
import * as fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rowArray } from '#infra/postgres/row-array.ts';
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
  )
  .filter((written) => !written.includes('\u0000') && written.isWellFormed());
const row = fc.tuple(
  fc.option(text),
  fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
  fc.option(fc.boolean()),
  text,
);

it('is read by unnest as it was written', async () => {
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
