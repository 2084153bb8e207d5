// The local PostgreSQL keeps what it was given, has one owner, and starts whatever happened to the one before.
import { chmod, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { startLocalPostgres, type LocalPostgres } from '#infra/local/postgres.ts';
import { freePort, isAlive } from '#infra/local/process.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { startOwner } from './killed-owner.ts';

async function start(
  dataDir: string,
  options: { port?: number; settings?: Record<string, string> } = {},
): Promise<LocalPostgres> {
  const postgres = await startLocalPostgres({ dataDir, ...options });
  onTestFinished(() => postgres.stop());
  return postgres;
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<{ answer: unknown }>(sql)).rows.map((row) => row.answer);
  } finally {
    await client.end();
  }
}

test('a second start on the same data goes on', async () => {
  const dataDir = await temporaryDataDir();
  const first = await start(dataDir);
  await ask(first.url, 'create table kept as select 1 as answer');
  await first.stop();
  const second = await start(dataDir);
  expect(await ask(second.url, 'select answer from kept')).toEqual([1]);
});

test('it stops cleanly: the process is gone, and stopping again does nothing', async () => {
  const dataDir = await temporaryDataDir();
  const postgres = await start(dataDir);
  expect(isAlive(postgres.pid)).toBe(true);
  await postgres.stop();
  expect(isAlive(postgres.pid)).toBe(false);
  expect(await postgres.exited).toEqual({ code: 0, signal: null });
  await postgres.stop();
});

test('it commits durably unless told otherwise, and takes other settings', async () => {
  const dataDir = await temporaryDataDir();
  const postgres = await start(dataDir, { settings: { max_connections: '7' } });
  const sql = `select setting as answer from pg_settings
    where name in ('fsync', 'max_connections', 'synchronous_commit') order by name`;
  expect(await ask(postgres.url, sql)).toEqual(['on', '7', 'on']);
});

test('nobody enters without the password, which only one user may read', async () => {
  const dataDir = await temporaryDataDir();
  const postgres = await start(dataDir);
  const url = new URL(postgres.url);
  url.password = 'guess';
  await expect(ask(url.href, 'select 1')).rejects.toThrow('password authentication failed');
  expect((await stat(join(dataDir, 'postgres', 'password'))).mode & 0o777).toBe(0o600);
});

test('a second process on the same data is refused', async () => {
  const dataDir = await temporaryDataDir();
  const owner = await startOwner('postgres', dataDir);
  onTestFinished(() => owner.kill());
  await expect(startLocalPostgres({ dataDir })).rejects.toMatchObject({
    code: 'in_use',
    message: expect.stringContaining('DATA_DIR'),
  });
  expect(isAlive(owner.serverPid)).toBe(true);
  await owner.kill();
  await start(dataDir);
});

test('a server left over by a killed owner is ended, and its data is there', async () => {
  const dataDir = await temporaryDataDir();
  const owner = await startOwner('postgres', dataDir);
  await ask(owner.address, 'create table kept as select 1 as answer');
  await owner.kill();
  expect(isAlive(owner.serverPid)).toBe(true);
  const postgres = await start(dataDir);
  expect(isAlive(owner.serverPid)).toBe(false);
  expect(await ask(postgres.url, 'select answer from kept')).toEqual([1]);
});

test('a left-over server is known by whichever path its data is reached', async () => {
  const dataDir = await temporaryDataDir();
  const link = `${dataDir}.link`;
  await symlink(dataDir, link);
  onTestFinished(() => rm(link));
  const owner = await startOwner('postgres', link);
  await owner.kill();
  await start(dataDir);
  expect(isAlive(owner.serverPid)).toBe(false);
});

test('a killed server is heard of, stops without complaint, and recovers at the next start', async () => {
  const dataDir = await temporaryDataDir();
  const first = await start(dataDir);
  await ask(first.url, 'create table kept as select 1 as answer');
  process.kill(first.pid, 'SIGKILL');
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await first.stop();
  const second = await start(dataDir);
  expect(await ask(second.url, 'select answer from kept')).toEqual([1]);
});

test('a pid file whose pid is an unrelated program’s is no reason not to start', async () => {
  const dataDir = await temporaryDataDir();
  await (await start(dataDir)).stop();
  const pidFile = join(dataDir, 'postgres', 'data', 'postmaster.pid');
  await writeFile(pidFile, `${process.pid}\n${join(dataDir, 'postgres', 'data')}\n`);
  const postgres = await start(dataDir);
  expect(await ask(postgres.url, 'select 1 as answer')).toEqual([1]);
});

test('a first start that was interrupted is begun again', async () => {
  const dataDir = await temporaryDataDir();
  const halfMade = join(dataDir, 'postgres', 'data.interrupted');
  await mkdir(halfMade, { recursive: true });
  await chmod(join(dataDir, 'postgres'), 0o711);
  await writeFile(join(halfMade, 'PG_VERSION'), '17\n');
  const postgres = await start(dataDir);
  expect(await ask(postgres.url, 'select 1 as answer')).toEqual([1]);
  await expect(stat(halfMade)).rejects.toThrow('ENOENT');
});

test('a data directory that its user cannot enter is refused with the remedy', async () => {
  const dataDir = await temporaryDataDir();
  const closed = join(dataDir, 'closed');
  // Root enters every folder, but the user that it lends PostgreSQL does not.
  await mkdir(closed, { mode: process.getuid?.() === 0 ? 0o700 : 0o500 });
  await expect(startLocalPostgres({ dataDir: join(closed, 'data') })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining(closed),
  });
});

test('a port that is taken is said clearly, and one that is free is used', async () => {
  const dataDir = await temporaryDataDir();
  const taker = createServer();
  const port = await freePort();
  taker.listen(port, '127.0.0.1');
  await once(taker, 'listening');
  await expect(startLocalPostgres({ dataDir, port })).rejects.toMatchObject({
    code: 'port_busy',
    message: expect.stringContaining(String(port)),
  });
  taker.close();
  await once(taker, 'close');
  const postgres = await start(dataDir, { port });
  expect(new URL(postgres.url).port).toBe(String(port));
});
