// What a backup of the schema `log` is good for: a registry that starts from it, and has everything that was answered.
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import { keyIn, register, start } from './npm-start.ts';

/** Leaves of a database what `pg_dump --schema=log` holds of it. */
async function keepTheDumped(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `select nspname as name from pg_namespace
       where nspname <> 'log' and nspname <> 'information_schema' and nspname not like 'pg\\_%'`,
    );
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(['views', 'retention']));
    for (const { name } of rows) await client.query(`drop schema ${name} cascade`);
    await client.query('create schema public');
  } finally {
    await client.end();
  }
}

it('the schema log is all that a registry needs to start from', async () => {
  const dataDir = await temporaryDataDir();
  const database = await freshDatabase();
  onTestFinished(() => database.drop());
  const before = start(dataDir, { DATABASE_URL: database.url });
  expect(await register(dataDir, await before.url(), 'fraud')).toBe(201);
  before.child.kill('SIGTERM');
  expect(await before.exit, before.output()).toBe(0);

  await keepTheDumped(database.url);
  const after = start(dataDir, { DATABASE_URL: database.url });
  const url = await after.url();
  expect(await register(dataDir, url, 'fraud')).toBe(409);
  expect(await register(dataDir, url, 'churn')).toBe(201);
  const headers = { authorization: `Bearer ${keyIn(dataDir)}` };
  expect((await fetch(`${url}/api/v1/models/fraud`, { headers })).status).toBe(200);
  await eventually(async () => {
    const listed = await fetch(`${url}/api/v1/models`, { headers });
    expect(await listed.json()).toMatchObject({ total_count: 2 });
  });
});
