// The log in PostgreSQL keeps the log's promises, and those that only a database can break.
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchCommandsMax, LogUnavailable } from '#events/log.ts';
import type { Verdict } from '#events/log.ts';
import { openKeyring, secretHash } from '#infra/auth/keys.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { rowArray } from '#infra/postgres/array-literal.ts';
import type { PostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { eventually } from '#test/eventually.ts';
import { openFaultProxy } from '#test/faults/proxy.ts';
import type { FaultProxy } from '#test/faults/proxy.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';
import { appended, asked, entryOf, logContract, noted } from './log.contract.ts';

type Opened = PostgresLog & { pool: Pool };

function openLog(url: string, failpoint: Failpoint = () => undefined): Opened {
  const onError = () => undefined;
  const pool = openPool({ url, name: 'test', role: 'modelog_service', size: 4, onError });
  const log = openPostgresLog({ url, pool, failpoint, onError });
  return {
    ...log,
    pool,
    async close() {
      await log.close();
      await pool.end();
    },
  };
}

/** The verdict of a batch of one command. */
const only = (verdicts: Verdict[][]): Verdict => verdicts[0]![0]!;

async function migrated(): Promise<FreshDatabase> {
  const database = await freshDatabase();
  await migrate(database.url, logMigrations);
  return database;
}

logContract('PostgreSQL', async () => {
  const database = await migrated();
  const opened: Opened[] = [];
  return {
    async open() {
      const log = openLog(database.url);
      opened.push(log);
      return log;
    },
    async close() {
      await Promise.all(opened.map((log) => log.close()));
      await database.drop();
    },
  };
});

describe('in PostgreSQL', () => {
  let database: FreshDatabase;
  let log: Opened;
  let owner: Client;
  beforeEach(async () => {
    database = await migrated();
    log = openLog(database.url);
    owner = new Client({ connectionString: database.url });
    await owner.connect();
  });
  afterEach(async () => {
    await log.close();
    await owner.end();
    await database.drop();
  });

  const outcome = (client: Pick<Client, 'query'>, sql: string): Promise<string> =>
    client.query(sql).then(
      () => 'done',
      (error: Error) => error.message,
    );

  describe('history cannot be changed', () => {
    const history = ['events', 'commands', 'audit_records'] as const;
    const changes = history.flatMap((table) => [
      [
        table,
        `update log.${table} set tenant = 'x'`.replace(
          'commands set tenant',
          'commands set stream',
        ),
      ],
      [table, `delete from log.${table}`],
      [table, `truncate log.${table}`],
    ]) as [string, string][];

    it.each(changes)('of %s: %s', async (table, sql) => {
      await log.append([entryOf('model:t:a', 0, asked())]);
      await log.pool.query(
        `insert into log.audit_records (tenant, action, code, detail) values ('t', 'a', 'c', '{}')`,
      );
      expect(await outcome(owner, sql)).toMatch(`log.${table} is append-only`);
      expect(await outcome(log.pool, sql)).toBe(`permission denied for table ${table}`);
      const { rows } = await owner.query<{ kept: string }>(
        `select count(*) as kept from log.${table}`,
      );
      expect(rows).toEqual([{ kept: '1' }]);
    });

    it.each([
      'insert into log.events select * from log.events',
      'insert into log.commands select * from log.commands',
      "update log.streams set version = 0 where stream = 'x'",
      'update log.log_head set position = 0',
      'delete from log.claims',
      'update log.serials set last = 0',
      "update log.api_keys set role = 'admin'",
      'insert into log.api_keys select * from log.api_keys',
      'drop table log.events',
      'alter table log.events disable trigger all',
      'create table log.other (a int)',
      'create or replace function log.append_batch(log.new_entry[], log.decided_on[], log.new_command[], log.new_event[], bytea, boolean, log.new_claim[], log.new_claim[], log.new_scope[], json) returns json language sql as $$ select null::json $$',
    ])('nor written around the append by a service: %s', async (sql) => {
      expect(await outcome(log.pool, sql)).toMatch(/permission denied|must be owner/);
    });
  });

  describe('a value that the database refuses', () => {
    const bad = () => asked({ events: [noted({ text: 'a\u0000b' })] });

    it('fails its own command, and no other', async () => {
      const verdicts = await log.append([
        entryOf('model:t:a', 0, asked()),
        entryOf('model:t:b', 0, bad()),
        entryOf('model:t:c', 0, asked()),
        entryOf('model:t:d', 0, asked()),
        entryOf('model:t:e', 0, bad()),
      ]);
      expect(verdicts.flat().map(({ verdict }) => verdict)).toEqual([
        'appended',
        'failed',
        'appended',
        'appended',
        'failed',
      ]);
      const events = await log.readAll(0, 10);
      expect(events.map(({ position, stream }) => [position, stream])).toEqual([
        [1, 'model:t:a'],
        [2, 'model:t:c'],
        [3, 'model:t:d'],
      ]);
    });

    it('fails its entry, none of which is recorded', async () => {
      const [verdicts] = await log.append([entryOf('model:t:a', 0, asked(), bad(), asked())]);
      expect(verdicts!.map(({ verdict }) => verdict)).toEqual(['failed', 'failed', 'failed']);
      expect((await log.head()).position).toBe(0);
      appended((await log.append([entryOf('model:t:a', 0, asked())]))[0]![0]);
    });
  });

  describe('a doubt is resolved by asking again', () => {
    it('when the connection is ended while the answer is on its way', async () => {
      let interruptions = 0;
      const interrupted = openLog(database.url, (place) => {
        if (place === 'log:after-commit' && interruptions++ === 0)
          throw new Error('the answer is lost after the commit');
      });
      const command = asked({ request_hash: 'hash', status: 201 });
      const verdict = only(await interrupted.append([entryOf('model:t:a', 0, command)]));
      expect(verdict).toEqual({
        verdict: 'duplicate',
        stream: 'model:t:a',
        stream_version: 1,
        position: 1,
        status: 201,
      });
      expect(interruptions).toBe(2);
      expect(await log.readAll(0, 10)).toHaveLength(1);
      await interrupted.close();
    });

    describe('behind a network that fails', () => {
      let proxy: FaultProxy;
      let behind: Opened;
      beforeEach(async () => {
        const direct = new URL(database.url);
        proxy = await openFaultProxy({ host: direct.hostname, port: Number(direct.port) });
        const url = new URL(database.url);
        url.hostname = proxy.host;
        url.port = String(proxy.port);
        behind = openLog(url.href);
        await behind.append([entryOf('model:t:warm', 0, asked())]);
      });
      afterEach(async () => {
        await behind.close();
        await proxy.close();
      });

      it.each(['drop-answers', 'black-hole'] as const)(
        '%s: the caller is told within 2 s that it is in doubt, and the same id tells later',
        async (fault) => {
          proxy.set({ fault });
          const command = asked();
          const failure = await behind.append([entryOf('model:t:a', 0, command)]).then(
            () => null,
            (error: unknown) => error,
          );
          expect(failure).toBeInstanceOf(LogUnavailable);
          expect(failure).toMatchObject({ retryable: true, inDoubt: true });
          expect(proxy.struck()).toBeGreaterThan(0);
          proxy.set({ fault: 'none' });
          const { verdict } = only(await behind.append([entryOf('model:t:a', 0, command)]));
          expect(verdict).toMatch(/^(appended|duplicate)$/);
          expect(await log.readStream('model:t:a', 0)).toHaveLength(1);
        },
      );

      it('cut: a connection that never was leaves no doubt', async () => {
        const fresh = new URL(database.url);
        fresh.hostname = proxy.host;
        fresh.port = String(proxy.port);
        proxy.set({ fault: 'cut' });
        const other = openLog(fresh.href);
        const failure = await other.append([entryOf('model:t:a', 0, asked())]).then(
          () => null,
          (error: unknown) => error,
        );
        expect(failure).toMatchObject({ name: 'LogUnavailable', inDoubt: false });
        expect(proxy.struck()).toBeGreaterThan(0);
        expect(await log.readStream('model:t:a', 0)).toEqual([]);
        await other.close();
      });

      it('delay: what was given up before its connection opened is not sent when that opens', async () => {
        const connections = proxy.open();
        // a connection takes more words than fit in the time that an append has; the last one is still opening then
        proxy.set({ fault: 'delay', delayMs: 1_000 });
        const url = new URL(database.url);
        url.hostname = proxy.host;
        url.port = String(proxy.port);
        const other = openLog(url.href);
        await expect(other.append([entryOf('model:t:a', 0, asked())])).rejects.toMatchObject({
          name: 'LogUnavailable',
          inDoubt: false,
        });
        expect(proxy.open()).toBeGreaterThan(connections);
        proxy.set({ fault: 'none' });
        await eventually(() => proxy.open() === connections);
        expect(await log.readStream('model:t:a', 0)).toEqual([]);
        await other.close();
      });

      it.each(['cut', 'black-hole'] as const)(
        '%s: a read fails as unavailable, and works again',
        async (fault) => {
          await behind.head();
          proxy.set({ fault });
          await expect(behind.head()).rejects.toMatchObject({
            name: 'LogUnavailable',
            retryable: true,
            inDoubt: false,
          });
          expect(proxy.struck()).toBeGreaterThan(0);
          proxy.set({ fault: 'none' });
          expect((await behind.head()).position).toBe(1);
        },
      );
    });

    it('when the server ends every connection at once', async () => {
      await log.append([entryOf('model:t:a', 0, asked())]);
      const { rows } = await owner.query<{ ended: boolean }>(
        `select pg_terminate_backend(pid) as ended from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      );
      expect(rows.length).toBeGreaterThan(0);
      const command = asked();
      const { verdict } = only(await log.append([entryOf('model:t:a', 1, command)]));
      expect(verdict).toMatch(/^(appended|duplicate)$/);
      expect((await log.readStream('model:t:a', 0)).map((event) => event.stream_version)).toEqual([
        1, 2,
      ]);
    });
  });

  it('a role is what the last of one append left, with who gave it', async () => {
    const role = { tenant: 't', subject: 'ana', role: 'viewer', scope: 'team:x' } as const;
    const bound = async () =>
      (
        await log.pool.query<{ granted_by: string | null }>(
          'select granted_by from log.role_bindings where tenant = $1 and subject = $2',
          ['t', 'ana'],
        )
      ).rows.map(({ granted_by }) => granted_by);
    const grant = asked({ keys: [{ effect: 'grant', ...role }] });
    await log.append([entryOf('tenant:t', 0, grant)]);
    expect(await bound()).toEqual(['zoë']);
    const ungrant = () => asked({ keys: [{ effect: 'ungrant', ...role }] });
    const again = () => asked({ keys: [{ effect: 'grant', ...role }] });
    await log.append([entryOf('tenant:t', 1, ungrant(), again())]);
    expect(await bound()).toEqual(['zoë']);
    await log.append([entryOf('tenant:t', 3, again(), ungrant())]);
    expect(await bound()).toEqual([null]);
  });

  describe('keys', () => {
    const secret = 'mlk_of-a-test';
    const key = {
      key_id: '01940000-0000-7000-8000-000000000001',
      tenant: 't',
      subject: 'zoë',
      subject_type: 'user',
      role: 'producer',
    } as const;
    const issue = {
      effect: 'issue',
      ...key,
      sha256: secretHash(secret),
      expires_at: null,
    } as const;

    it('are good from the append that issues them to the one that revokes them', async () => {
      expect(await openKeyring(log.pool).find(secret)).toBeNull();
      await log.append([entryOf('tenant:t', 0, asked({ keys: [issue] }))]);
      expect(await openKeyring(log.pool).find(secret)).toMatchObject(key);
      await log.append([
        entryOf('tenant:t', 1, asked({ keys: [{ effect: 'revoke', key_id: key.key_id }] })),
      ]);
      expect(await openKeyring(log.pool).find(secret)).toBeNull();
    });

    it('are good until they expire', async () => {
      const expiring = { ...issue, expires_at: '2026-01-01T00:00:00.000Z' };
      await log.append([entryOf('tenant:t', 0, asked({ keys: [expiring] }))]);
      expect(await openKeyring(log.pool).find(secret)).toBeNull();
    });

    it('are neither issued nor revoked by what is not appended', async () => {
      await log.append([entryOf('tenant:t', 7, asked({ keys: [issue] }))]);
      expect(await openKeyring(log.pool).find(secret)).toBeNull();
      await log.append([entryOf('tenant:t', 0, asked({ keys: [issue] }))]);
      const revoke = { effect: 'revoke', key_id: key.key_id } as const;
      await log.append([entryOf('tenant:t', 7, asked({ keys: [revoke] }))]);
      expect(await openKeyring(log.pool).find(secret)).toMatchObject(key);
    });
  });

  it('time never goes back, even if the clock does', async () => {
    await owner.query(
      `update log.log_head set recorded_at = date_trunc('milliseconds', now()) + interval '1 hour'`,
    );
    const { recorded_at: ahead } = await log.head();
    const verdict = appended((await log.append([entryOf('model:t:a', 0, asked())]))[0]![0]);
    expect(verdict.events[0]!.recorded_at).toBe(ahead);
    expect(await log.head()).toMatchObject({ position: 1, recorded_at: ahead });
  });

  describe('an append never scans a table', () => {
    /** Plans of every statement within the append, as PostgreSQL used them. */
    async function plansOf(append: (client: Client) => Promise<unknown>): Promise<string> {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      const plans: string[] = [];
      client.on('notice', ({ message }) => plans.push(message ?? ''));
      await client.query("load 'auto_explain'");
      await client.query(
        `set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
         set client_min_messages = log`,
      );
      await append(client);
      await client.end();
      return plans.join('\n');
    }

    const appending = (client: Client, stream: string) => {
      const command_id = crypto.randomUUID();
      return client.query('select log.append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', [
        rowArray([[stream, 't', 0, 1, 1, 0]]),
        rowArray([[1, 'x', 0]]),
        rowArray([[1, command_id, null, 200, 1, true]]),
        rowArray([[1, 1, crypto.randomUUID(), 'x', 1, 'model', 1, 1, 2, 1, 2]]),
        Buffer.from('{}'),
        true,
        rowArray([[1, stream]]),
        rowArray([[1, `${stream} before`]]),
        rowArray([[1, 'team', 'team:x']]),
        JSON.stringify([{ entry: 1, effect: 'revoke', key_id: crypto.randomUUID() }]),
      ]);
    };
    const scans = (plans: string) =>
      [...plans.matchAll(/Seq Scan on (?<table>\w+)/g)].map((match) => match.groups!['table']);

    it('the plans show one where there is one', async () => {
      const plans = await plansOf((client) => client.query('select * from log.events'));
      expect(scans(plans)).toEqual(['events']);
    });

    it('of the log, neither empty nor full, nor by a plan that was made while it was empty', async () => {
      const ofTables = ['events', 'streams', 'commands', 'claims', 'serials', 'api_keys'];
      const plans = await plansOf(async (client) => {
        // often enough for the plan to be cached
        for (let nth = 0; nth < 8; nth++) await appending(client, `model:t:empty-${nth}`);
        await fill();
        for (let nth = 0; nth < 8; nth++) await appending(client, `model:t:full-${nth}`);
        await owner.query('analyze');
        for (let nth = 0; nth < 8; nth++) await appending(client, `model:t:analyzed-${nth}`);
      });
      for (const index of ['streams_pkey', 'commands_pkey', 'claims_pkey', 'serials_pkey'])
        expect(plans).toContain(index);
      expect(scans(plans).filter((table) => ofTables.includes(table!))).toEqual([]);
    });

    /** Some thousands of events in streams of their own. */
    async function fill(): Promise<void> {
      for (let batch = 0; batch < 10; batch++)
        await log.append(
          Array.from({ length: batchCommandsMax }, (_, nth) =>
            entryOf(`model:t:${batch}-${nth}`, 0, asked({ takes: [`name ${batch}-${nth}`] })),
          ),
        );
    }
  });
});

describe('migrations', () => {
  let database: FreshDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(() => database.drop());

  it('twenty installers at once take turns', async () => {
    await Promise.all(Array.from({ length: 20 }, () => migrate(database.url, logMigrations)));
    const log = openLog(database.url);
    const verdict = only(await log.append([entryOf('model:t:a', 0, asked())]));
    expect(verdict).toMatchObject({ verdict: 'appended', position: 1 });
    await log.close();
  });

  const ask = async (sql: string): Promise<unknown[]> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query<{ answer: unknown }>(sql)).rows.map(({ answer }) => answer);
    } finally {
      await client.end();
    }
  };

  it('are remembered in the schema that they make, which is then whole in a dump', async () => {
    await migrate(database.url, logMigrations);
    const remembered = `select nspname as answer from pg_class join pg_namespace n on n.oid = relnamespace
                        where relname = 'modelog_log_migrations'`;
    expect(await ask(remembered)).toEqual(['log']);
    // where they were remembered before, and are found by an older database's first start
    await ask('alter table log.modelog_log_migrations set schema public');
    await migrate(database.url, logMigrations);
    expect(await ask(remembered)).toEqual(['log']);
  });

  it('a schema of which nobody knows how far it was migrated is refused with the remedy', async () => {
    await migrate(database.url, logMigrations);
    await ask('drop table log.modelog_log_migrations');
    await expect(migrate(database.url, logMigrations)).rejects.toThrow(
      /log.*modelog_log_migrations/s,
    );
  });

  it('an old file that has changed is an error, and what it made stays', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'modelog-migrations-'));
    await cp(logMigrations.folder, folder, { recursive: true });
    const migrations = { ...logMigrations, folder };
    await migrate(database.url, migrations);
    await migrate(database.url, migrations);
    await appendFile(path.join(folder, '001.do.log.sql'), '\n-- an afterthought\n');
    await expect(migrate(database.url, migrations)).rejects.toThrow(/MD5|md5|checksum/i);
    await rm(folder, { recursive: true });
  });
});
