// What a pool of connections tells of those that break.
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openPool } from '#infra/postgres/connect.ts';
import { eventually } from '#test/eventually.ts';
import { openFaultProxy } from '#test/faults/proxy.ts';
import type { FaultProxy } from '#test/faults/proxy.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';

let database: FreshDatabase;
let proxy: FaultProxy;
let owner: Client;
beforeEach(async () => {
  database = await freshDatabase();
  const direct = new URL(database.url);
  proxy = await openFaultProxy({ host: direct.hostname, port: Number(direct.port) });
  owner = new Client({ connectionString: database.url });
  await owner.connect();
});
afterEach(async () => {
  await owner.end();
  await proxy.close();
  await database.drop();
});

/** A pool with one idle connection, through the proxy, and what it told. */
async function idlePool() {
  const url = new URL(database.url);
  url.hostname = proxy.host;
  url.port = String(proxy.port);
  const told: Error[] = [];
  const onError = (error: Error): void => void told.push(error);
  const pool = openPool({ url: url.href, name: 'idle', role: null, size: 1, onError });
  await pool.query('select');
  return { pool, told };
}

const endIdle = () =>
  owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'idle'`,
  );

test('an idle connection that breaks is told of', async () => {
  const { pool, told } = await idlePool();
  await endIdle();
  await eventually(() => told.length > 0);
  expect(told).toMatchObject([{ code: '57P01' }]);
  await pool.end();
});

test('one that the server ends while the pool does is not', async () => {
  const { pool, told } = await idlePool();
  proxy.set({ fault: 'delay', delayMs: 300 });
  const ended = pool.end();
  await endIdle();
  await ended;
  await eventually(() => proxy.open() === 0);
  expect(proxy.struck()).toBeGreaterThan(0);
  expect(told).toEqual([]);
});
