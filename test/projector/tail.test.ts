// Holds the head follower to its word, on a real PostgreSQL.
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { eventually } from '#test/eventually.ts';
import { freshDatabase } from '#test/real/postgres.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
  await migrate(database.url, logMigrations);
});
afterAll(() => database.drop());

const fail = (error: Error): never => {
  throw error;
};

/** Raises the head by one recorded event. */
async function append(): Promise<void> {
  const pool = openPool({
    url: database.url,
    name: 'test',
    role: 'modelog_service',
    size: 1,
    onError: fail,
  });
  const log = openPostgresLog({
    url: database.url,
    pool,
    failpoint: () => undefined,
    onError: fail,
  });
  const stream = `tenant:${randomUUID()}`;
  const metadata = {
    actor: {
      subject: 'test',
      type: 'system',
      auth_method: 'internal',
      key_id: null,
      declared_by: null,
    },
    occurred_at: new Date().toISOString(),
    reason: null,
    command_id: randomUUID(),
    correlation_id: null,
    causation_id: null,
    traceparent: null,
  } as const;
  const event = {
    id: randomUUID(),
    type: 'tenant.created',
    schema_version: 1,
    data: { tenant_id: stream, name: stream },
    serial_kind: null,
  };
  const command = {
    command_id: metadata.command_id,
    request_hash: null,
    status: 201,
    metadata,
    events: [event],
    takes: [],
    frees: [],
    keys: [],
    scopes: [],
  };
  await log.append([
    { stream, tenant: 'default', expected_version: 0, decided_on: [], commands: [command] },
  ]);
  await log.close();
  await pool.end();
}

test('who waits for the head hears of each append', async () => {
  const follower = followHead({ url: database.url, onError: fail });
  const heard: number[] = [];
  const unsubscribe = follower.subscribe((position) => heard.push(position));
  const { signal } = new AbortController();
  await append();
  expect(await follower.beyond(0, signal)).toBe(1);
  const second = follower.beyond(1, signal);
  await append();
  expect(await second).toBe(2);
  expect(follower.position()).toBe(2);
  unsubscribe();
  await append();
  expect(await follower.beyond(2, signal)).toBe(3);
  expect(heard.at(-1)).toBe(2);
  await follower.close();
});

test('a wait can be given up', async () => {
  const follower = followHead({ url: database.url, onError: fail });
  const giveUp = new AbortController();
  const waiting = follower.beyond(1_000, giveUp.signal);
  giveUp.abort(new Error('no longer wanted'));
  await expect(waiting).rejects.toThrow('no longer wanted');
  await follower.close();
});

test('a cut connection is told of once, and followed on', async () => {
  const errors: Error[] = [];
  const follower = followHead({ url: database.url, onError: (error) => errors.push(error) });
  const { signal } = new AbortController();
  const before = await follower.beyond(0, signal);
  const admin = new Client({ connectionString: database.url });
  await admin.connect();
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'modelog-tail' and datname = current_database()`,
  );
  await admin.end();
  await eventually(() => errors.length === 1);
  await append();
  expect(await follower.beyond(before, signal)).toBe(before + 1);
  expect(errors).toHaveLength(1);
  await follower.close();
});
