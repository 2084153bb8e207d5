// What a service says of its settings: every fault at once, before anything else is begun, in words for a person.
import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { allSettings, parseSettings } from '#infra/settings.ts';
import type { SettingName } from '#infra/settings.ts';
import { freePort } from '#infra/local/process.ts';
import { freshDatabase } from '#test/real/postgres.ts';

const services = path.join(import.meta.dirname, '..', '..', 'services');
type Service = 'command-api' | 'projector' | 'retention' | 'standalone';

const run = (
  service: Service,
  environment: Record<string, string>,
  args: string[] = [],
): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join(services, service, 'main.ts'), ...args],
      { env: { PATH: process.env['PATH'], ...environment } },
      (error, stdout, stderr) =>
        resolve({
          code: typeof error?.code === 'number' ? error.code : 0,
          output: stdout + stderr,
        }),
    );
  });

const serviceKey = 'service-key-0123456789-0123456789';
const unusedUrl = 'postgres://nobody@127.0.0.1:1/none';

describe('a fault', () => {
  it.each<[Service, Record<string, string>, string[]]>([
    ['command-api', { PORT: 'x' }, ['DATABASE_URL', 'PORT']],
    ['projector', { PORT: 'x' }, ['DATABASE_URL', 'PORT']],
    ['retention', { PORT: 'x' }, ['DATABASE_URL', 'PORT', 'MODELOG_SERVICE_KEY']],
    [
      'standalone',
      { PORT: 'x', OIDC_ISSUER: 'https://login.example.com' },
      ['PORT', 'OIDC_AUDIENCE'],
    ],
  ])('of %s is named with the others', async (service, environment, names) => {
    const { code, output } = await run(service, environment);
    expect([code, output]).toEqual([78, expect.any(String)]);
    for (const name of names)
      expect(output).toMatch(new RegExp(`^  ${name}: (must|is needed)`, 'm'));
  });

  it.each<[SettingName, string]>([
    ['KAFKA_BROKERS', 'foo'],
    ['KAFKA_BROKERS', 'foo:0'],
    ['KAFKA_BROKERS', 'foo:9092,bar'],
    ['COMMAND_API_URL', 'nonsense'],
    ['COMMAND_API_URL', 'ftp://127.0.0.1'],
    ['SCHEMA_REGISTRY_URL', 'nonsense'],
    ['OIDC_ISSUER', 'nonsense'],
    ['DATABASE_URL', 'foo bar'],
    ['DATABASE_URL', 'http://127.0.0.1'],
    ['PORT', '0x50'],
    ['PORT', '1e3'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', ' '],
    ['DATABASE_POOL_SIZE', '1'],
    ['LOG_LEVEL', 'loud'],
    ['OIDC_ALLOW_PRIVATE', 'yes'],
    ['MODELOG_ADMIN_KEY', 'short'],
    ['KAFKA_TOPIC_PREFIX', 'p'.repeat(101)],
  ])('%s=%s says what must be', (name, value) => {
    expect(() => parseSettings({ [name]: allSettings[name] }, { [name]: value })).toThrow(
      new RegExp(`^  ${name}: (must|may)`, 'm'),
    );
  });

  it.each<[SettingName, string]>([
    ['KAFKA_BROKERS', 'kafka-1.example.com:9092, 127.0.0.1:9093'],
    ['DATABASE_URL', 'postgresql://user:a%20word@db.example.com:5432/modelog?sslmode=require'],
    ['DATABASE_URL', 'postgres://user@/modelog?host=/var/run/postgresql'],
    ['SCHEMA_REGISTRY_URL', 'http://127.0.0.1:8081/apis/ccompat/v7'],
    ['PORT', '0'],
    ['PORT', '65535'],
  ])('%s=%s is none', (name, value) => {
    expect(() => parseSettings({ [name]: allSettings[name] }, { [name]: value })).not.toThrow();
  });

  it('says of a number from where to where it may be', () => {
    expect(() => parseSettings({ PORT: allSettings.PORT }, { PORT: 'x' })).toThrow(
      'PORT: must be a whole number from 0 to 65535',
    );
  });
});

it.each(Object.keys(allSettings) as SettingName[])('%s that is empty is not set', (name) => {
  const settings = { [name]: allSettings[name] };
  expect(parseSettings(settings, { [name]: '' })).toEqual(parseSettings(settings, {}));
});

describe('--help', () => {
  it('of a service alone says what it needs, and nothing of what it does not do', async () => {
    for (const service of ['command-api', 'projector', 'retention'] as const) {
      const { code, output } = await run(service, {}, ['--help']);
      expect(code).toBe(0);
      expect(output).toMatch(/DATABASE_URL .*\[needed\]/);
      expect(output).not.toMatch(/embedded|generated/);
    }
    const commandApi = await run('command-api', {}, ['--help']);
    expect(commandApi.output).toMatch(/MODELOG_ADMIN_KEY .*an empty database gets no admin/);
    const retention = await run('retention', {}, ['--help']);
    expect(retention.output).toMatch(/MODELOG_SERVICE_KEY .*\[needed\]/);
  });
});

describe('a database that cannot be used', () => {
  it.each<[Service, Record<string, string>]>([
    ['command-api', {}],
    ['projector', {}],
    ['retention', { MODELOG_SERVICE_KEY: serviceKey }],
  ])('is named by %s', async (service, environment) => {
    const { code, output } = await run(service, { DATABASE_URL: unusedUrl, ...environment });
    expect([code, output]).toEqual([1, expect.stringContaining(`DATABASE_URL, ${unusedUrl}`)]);
    expect(output).toContain('ECONNREFUSED');
  });

  it('is named without its password, also where that is refused', async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.drop());
    const url = new URL(database.url);
    url.password = 'not-the-password';
    const { code, output } = await run('command-api', { DATABASE_URL: url.href });
    expect(code).toBe(1);
    expect(output).toContain('password authentication failed');
    expect(output).toContain('DATABASE_URL');
    expect(output).not.toContain('not-the-password');
  });

  it('is named where nobody answers', async () => {
    const silent = createServer();
    onTestFinished(() => void silent.close());
    const port = await freePort();
    silent.listen(port, '127.0.0.1');
    await once(silent, 'listening');
    const url = `postgres://nobody@127.0.0.1:${port}/none`;
    const { code, output } = await run('command-api', { DATABASE_URL: url });
    expect([code, output]).toEqual([1, expect.stringContaining(url)]);
  });
});

/** Starts the command API, and ends it when it listens, or has ended by itself. */
async function runCommandApi(environment: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [path.join(services, 'command-api', 'main.ts')], {
    env: { PATH: process.env['PATH'], PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      output += text.toString();
      if (output.includes('command-api listens')) child.kill('SIGTERM');
    });
  await closed;
  expect(output).toContain('command-api listens');
  return output;
}

it('a command API without MODELOG_ADMIN_KEY says that there is no admin, but not where there is', async () => {
  const database = await freshDatabase();
  onTestFinished(() => database.drop());
  const environment = { DATABASE_URL: database.url };
  const words = 'no key is an admin’s';
  expect(await runCommandApi(environment)).toContain(words);
  const adminKey = 'admin-key-0123456789-0123456789-0123';
  expect(await runCommandApi({ ...environment, MODELOG_ADMIN_KEY: adminKey })).not.toContain(words);
  expect(await runCommandApi(environment)).not.toContain(words);
});

describe('a name of the documents', () => {
  const { DATABASE_URL, DATABASE_POOL_SIZE, LOG_LEVEL, CORS_ORIGINS } = allSettings;
  const parsed = (environment: Record<string, string>) =>
    parseSettings({ DATABASE_URL, DATABASE_POOL_SIZE, LOG_LEVEL, CORS_ORIGINS }, environment);

  it('stands for the own name', () =>
    expect(
      parsed({
        POSTGRES_HOST: 'db',
        POSTGRES_USER: 'ana',
        POSTGRES_PASSWORD: 'a/b@c',
        DB_POOL_SIZE: '20',
        DEBUG: 'true',
      }),
    ).toMatchObject({
      DATABASE_URL: 'postgres://ana:a%2Fb%40c@db:5432/model_registry',
      DATABASE_POOL_SIZE: 20,
      LOG_LEVEL: 'debug',
    }));

  it('gives way to it', () =>
    expect(
      parsed({ POSTGRES_HOST: 'db', DATABASE_URL: unusedUrl, DB_POOL_SIZE: '20', DEBUG: 'false' }),
    ).toEqual({
      DATABASE_URL: unusedUrl,
      DATABASE_POOL_SIZE: 20,
      LOG_LEVEL: 'info',
      CORS_ORIGINS: [],
    }));
});

it.each(['ui.example', 'https://ui.example/path', 'https://ui.example,nonsense'])(
  'an origin is a scheme and a host, and no more: %s',
  (CORS_ORIGINS) =>
    expect(() =>
      parseSettings({ CORS_ORIGINS: allSettings.CORS_ORIGINS }, { CORS_ORIGINS }),
    ).toThrow(/CORS_ORIGINS: must be origins/),
);
