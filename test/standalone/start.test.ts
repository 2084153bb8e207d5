// What a newcomer meets: `npm start` on an empty folder, again on the same, twice at once, and after a kill.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import { keyIn, main, register, start } from './npm-start.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await temporaryDataDir();
});

async function names(url: string): Promise<string[]> {
  // Views that are far behind answer at once, and say so.
  const { items } = await eventually(async () => {
    const answer = await fetch(`${url}/api/v1/models`, {
      headers: { authorization: `Bearer ${keyIn(dataDir)}` },
    });
    expect(answer.headers.get('x-stale')).toBeNull();
    return (await answer.json()) as { items: { name: string }[] };
  });
  return items.map(({ name }) => name).sort();
}

describe('npm start', () => {
  it('says where it listens, where the data lies, the key the first time, and what to paste', async () => {
    const first = start(dataDir);
    const url = await first.url();
    const key = keyIn(dataDir);
    expect(first.output()).toContain(dataDir);
    expect(first.output()).toContain(key);
    expect(first.output()).toContain(`curl -X POST ${url}/api/v1/models`);
    expect(fs.statSync(path.join(dataDir, 'admin-key')).mode & 0o777).toBe(0o600);
    expect(await register(dataDir, url, 'fraud')).toBe(201);

    first.child.kill('SIGINT');
    expect(await first.exit, first.output()).toBe(0);

    const second = start(dataDir);
    expect(await names(await second.url())).toEqual(['fraud']);
    expect(second.output()).not.toContain(key);
    expect(second.output()).toContain(path.join(dataDir, 'admin-key'));
  });

  it('refuses a second process on the same data, and the first goes on', async () => {
    const first = start(dataDir);
    const url = await first.url();
    const second = start(dataDir);
    expect(await second.exit).toBe(1);
    expect(second.output()).toMatch(/in use|already/i);
    expect(second.output()).not.toContain('because');
    expect(second.output()).toContain(dataDir);
    expect(await register(dataDir, url, 'fraud')).toBe(201);
  });

  it('says of a start that fails why it does, and no more', async () => {
    const first = start(dataDir);
    const port = new URL(await first.url()).port;
    const second = start(await temporaryDataDir(), { PORT: port });
    expect(await second.exit).toBe(1);
    expect(second.output()).toMatch(/^Modelog: .*EADDRINUSE.*\n$/);
  });

  it('goes on after kill -9, though PostgreSQL was left over', async () => {
    const first = start(dataDir);
    expect(await register(dataDir, await first.url(), 'fraud')).toBe(201);
    first.child.kill('SIGKILL');
    await first.exit;
    const second = start(dataDir);
    const url = await second.url();
    expect(await names(url)).toEqual(['fraud']);
    expect(await register(dataDir, url, 'churn')).toBe(201);
  });

  it('revokes the former bootstrap key when another is given', async () => {
    const first = start(dataDir);
    const url = await first.url();
    const former = keyIn(dataDir);
    expect(await register(dataDir, url, 'fraud')).toBe(201);
    first.child.kill('SIGTERM');
    await first.exit;
    const second = start(dataDir, { MODELOG_ADMIN_KEY: 'another-admin-key-0123456789-0123456789' });
    const ask = async (key: string): Promise<number> =>
      (await fetch(`${await second.url()}/api/v1/models`, { headers: { 'x-api-key': key } }))
        .status;
    expect(await ask(former)).toBe(401);
    expect(await ask('another-admin-key-0123456789-0123456789')).toBe(200);
  });
});

describe('the service key', () => {
  const adminKey = 'admin-key-0123456789-0123456789-0123';

  it('is kept beside the admin key, so that a start again writes nothing', async () => {
    const head = async (url: string): Promise<number> => {
      const headers = { authorization: `Bearer ${keyIn(dataDir)}` };
      const answer = await fetch(`${url}/api/v1/events?limit=1`, { headers });
      return ((await answer.json()) as { head: number }).head;
    };
    const first = start(dataDir);
    const headBefore = await head(await first.url());
    expect(headBefore).toBeGreaterThan(0);
    expect(fs.statSync(path.join(dataDir, 'service-key')).mode & 0o777).toBe(0o600);
    first.child.kill('SIGTERM');
    expect(await first.exit, first.output()).toBe(0);
    const second = start(dataDir);
    expect(await head(await second.url())).toBe(headBefore);
    expect(second.output()).not.toContain('MODELOG_SERVICE_KEY');
  });

  it('of another process on the same database is revoked with a warning', async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.drop());
    const environment = { DATABASE_URL: database.url, MODELOG_ADMIN_KEY: adminKey };
    const first = start(dataDir, environment);
    await first.url();
    expect(first.output()).not.toContain('MODELOG_SERVICE_KEY');
    const second = start(await temporaryDataDir(), environment);
    await second.url();
    expect(second.output()).toMatch(/revoked.*MODELOG_SERVICE_KEY/);
  });
});

describe('a Kafka that is there', () => {
  it('is used where its brokers are given, and not otherwise', { timeout: 120_000 }, async () => {
    const system = start(dataDir, {
      KAFKA_BROKERS: kafkaBrokers().join(','),
      KAFKA_TOPIC_PREFIX: topicPrefix(),
    });
    const url = await system.url();
    expect(system.output()).toContain(`Kafka      ${kafkaBrokers().join(', ')}`);
    expect(fs.existsSync(path.join(dataDir, 'kafka'))).toBe(false);
    const relay = async (of: string): Promise<unknown> => {
      const { dependencies } = (await (await fetch(`${of}/health`)).json()) as {
        dependencies: Record<string, { status: string } | undefined>;
      };
      return dependencies['relay']?.status;
    };
    await eventually(async () => expect(await relay(url)).toBe('up'), { timeoutMs: 30_000 });
    system.child.kill('SIGTERM');
    expect(await system.exit, system.output()).toBe(0);

    const alone = start(dataDir, { KAFKA_BROKERS: '', SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' });
    expect(await relay(await alone.url())).toBeUndefined();
    expect(alone.output()).toContain('SCHEMA_REGISTRY_URL is of no use without Kafka');
  });
});

describe('the settings', () => {
  const run = (
    args: string[],
    environment: Record<string, string>,
  ): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        [main, ...args],
        { env: { PATH: process.env['PATH'], ...environment } },
        (error, stdout, stderr) =>
          resolve({
            code: typeof error?.code === 'number' ? error.code : 0,
            output: stdout + stderr,
          }),
      );
    });

  it('are refused with every fault at once, without showing a value', async () => {
    const { code, output } = await run([], {
      PORT: 'x',
      LOG_LEVEL: 'loud',
      MODELOG_ADMIN_KEY: 'too-short-secret',
    });
    expect(code).toBe(78);
    for (const name of ['PORT', 'LOG_LEVEL', 'MODELOG_ADMIN_KEY']) expect(output).toContain(name);
    expect(output).not.toContain('too-short-secret');
  });

  it('are listed by --help', async () => {
    const { code, output } = await run(['--help'], {});
    expect(code).toBe(0);
    for (const name of [
      'HOST',
      'PORT',
      'DATA_DIR',
      'DATABASE_URL',
      'KAFKA_BROKERS',
      'MODELOG_ADMIN_KEY',
      'RETENTION_SWEEP_SECONDS',
      'DEPLOYMENT_TIMEOUT_HOURS',
    ])
      expect(output).toContain(name);
  });

  it('an unknown flag is refused', async () => {
    const { code, output } = await run(['--kafak'], {});
    expect(code).toBe(78);
    expect(output).toContain('--kafak');
  });
});
