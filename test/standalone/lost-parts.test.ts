// What becomes of `npm run start:kafka` when a part that it started itself is killed.
import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { topicsOf } from '#infra/kafka/topics.ts';
import { runningLocalPostgres } from '#infra/local/postgres.ts';
import { freePort, isAlive } from '#infra/local/process.ts';
import { checkTopic } from '#test/checker/topic.ts';
import { eventually } from '#test/eventually.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { register, start } from './npm-start.ts';

/** A JVM takes seconds to start on a busy machine, and a group whose members died waits for their sessions to end. */
const backTimeoutMs = 50_000;
const testTimeoutMs = 120_000;

const pidIn = (dataDir: string, ...file: string[]): number =>
  Number(fs.readFileSync(path.join(dataDir, ...file), 'utf8').split('\n')[0]);
const kafkaPid = (dataDir: string): number => pidIn(dataDir, 'kafka', 'server.pid');
const postgresPid = (dataDir: string): number =>
  pidIn(dataDir, 'postgres', 'data', 'postmaster.pid');

/** The dependencies that `/health` says are not well. */
async function ailing(url: string): Promise<string[]> {
  const { dependencies } = (await (await fetch(`${url}/health`)).json()) as {
    dependencies: Record<string, { status: string }>;
  };
  return Object.keys(dependencies).filter((name) => dependencies[name]!.status !== 'up');
}

it(
  'goes on when the local Kafka is killed, starts it again, and publishes what waited',
  { timeout: testTimeoutMs },
  async () => {
    const dataDir = await temporaryDataDir();
    const port = await freePort();
    const system = start(dataDir, { LOCAL_KAFKA_PORT: String(port) }, ['--kafka']);
    const url = await system.url();
    const databaseUrl = (await runningLocalPostgres(dataDir))!;
    const topic = topicsOf().modelLifecycle;
    /** All that the log has is on the topic, at least once and in order. */
    const allIsPublished = (): Promise<void> =>
      eventually(
        async () =>
          expect(await checkTopic({ databaseUrl, brokers: [`127.0.0.1:${port}`], topic })).toEqual(
            [],
          ),
        { timeoutMs: backTimeoutMs, intervalMs: 500 },
      );
    expect(await register(dataDir, url, 'before')).toBe(201);
    await allIsPublished();

    const killed = kafkaPid(dataDir);
    process.kill(killed, 'SIGKILL');
    await eventually(() => system.output().includes('the local Kafka ended unexpectedly'));
    expect(await register(dataDir, url, 'meanwhile')).toBe(201);

    await allIsPublished();
    await eventually(async () => expect(await ailing(url)).toEqual([]), {
      timeoutMs: backTimeoutMs,
    });
    expect(await register(dataDir, url, 'after')).toBe(201);
    await allIsPublished();
    const again = kafkaPid(dataDir);
    expect(again).not.toBe(killed);
    expect(system.output()).toContain('the local Kafka is back');

    system.child.kill('SIGTERM');
    expect(await system.exit, system.output()).toBe(0);
    expect(isAlive(again)).toBe(false);
  },
);

it(
  'ends when its PostgreSQL is killed, says so, and leaves no Kafka behind',
  { timeout: testTimeoutMs },
  async () => {
    const dataDir = await temporaryDataDir();
    const environment = { LOCAL_KAFKA_PORT: String(await freePort()) };
    const system = start(dataDir, environment, ['--kafka']);
    await system.url();
    const kafka = kafkaPid(dataDir);
    process.kill(postgresPid(dataDir), 'SIGKILL');
    expect(await system.exit).toBe(1);
    expect(system.output()).toContain('PostgreSQL ended unexpectedly');
    await eventually(() => !isAlive(kafka), { timeoutMs: backTimeoutMs });
  },
);

it('leaves no PostgreSQL behind, whatever ends the process', async () => {
  const dataDir = await temporaryDataDir();
  const bug = path.join(dataDir, 'bug.mjs');
  fs.writeFileSync(bug, "process.on('SIGUSR2', () => { throw new Error('a bug'); });");
  const system = start(dataDir, { NODE_OPTIONS: `--import=${bug}` });
  await system.url();
  const postgres = postgresPid(dataDir);
  system.child.kill('SIGUSR2');
  expect(await system.exit).not.toBe(0);
  expect(system.output()).toContain('a bug');
  await eventually(() => !isAlive(postgres));
});
