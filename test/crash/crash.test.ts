// A process that is killed at the worst places, and started again, has lost nothing and doubled nothing.
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FailpointName } from '#infra/failpoint.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { checkLog } from '#test/checker/log.ts';
import { checkTopic } from '#test/checker/topic.ts';
import { checkViews } from '#test/checker/views.ts';
import { eventually } from '#test/eventually.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';
import { startSystem } from './running-system.ts';
import type { RunningSystem } from './running-system.ts';
import { startWriters } from './writers.ts';

const writersAtOnce = 8;

let database: FreshDatabase;
let dataDir: string;
let system: RunningSystem | null = null;

beforeEach(async () => {
  database = await freshDatabase();
  dataDir = await temporaryDataDir();
});
afterEach(async () => {
  await system?.kill('SIGKILL');
  system = null;
  await database.drop();
});

/** The lag of every reader of the log is zero: views, and with Kafka the topic. */
async function caughtUp(url: string): Promise<void> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lags = [...text.matchAll(/^modelog_(?:projector|relay)_lag_events(?:\{[^}]*\})? (\S+)$/gm)];
  expect(lags.length).toBeGreaterThan(0);
  for (const [line, lag] of lags) expect(Number(lag), line).toBe(0);
}

/** Kills the system at a place while clients write, starts it again, and lets the clients finish. */
async function crashAt(
  failpoint: FailpointName,
  passage: number,
  kafka: { brokers: string[]; topicPrefix: string } | undefined,
) {
  const proof = path.join(dataDir, 'failpoint-proof');
  const parts = { databaseUrl: database.url, dataDir, ...(kafka && { kafka }) };
  let running = await startSystem({
    ...parts,
    environment: {
      MODELOG_FAILPOINT: `${failpoint}=kill@${passage}`,
      MODELOG_FAILPOINT_PROOF: proof,
    },
  });
  system = running;
  const writers = startWriters(() => running.url, writersAtOnce);
  await running.ended;
  expect(fs.readFileSync(proof, 'utf8')).toBe(`${failpoint} fired\n`);
  running = await startSystem(parts);
  system = running;
  const acknowledgedAtRestart = writers.acknowledged();
  await eventually(() => writers.acknowledged() > acknowledgedAtRestart + 100, {
    timeoutMs: 30_000,
  });
  await writers.stop();
  await eventually(() => caughtUp(running.url), { timeoutMs: 30_000 });
  return writers;
}

describe('killed while it reads the log itself', () => {
  it.each([
    ['log:after-append', 30],
    ['log:after-commit', 30],
    ['projector:after-apply', 20],
    ['projector:after-commit', 20],
  ] as const)('at %s', async (failpoint, passage) => {
    const writers = await crashAt(failpoint, passage, undefined);
    expect(writers.resolved()).toBeGreaterThan(0);
    expect(await checkLog(database.url, writers.answers)).toEqual([]);
    expect(await checkViews(database.url)).toEqual([]);
  });

  it('at any moment, three times', async () => {
    let running = await startSystem({ databaseUrl: database.url, dataDir });
    system = running;
    const writers = startWriters(() => running.url, writersAtOnce);
    for (let kills = 0; kills < 3; kills++) {
      const before = writers.acknowledged();
      await eventually(() => writers.acknowledged() > before + 50, { timeoutMs: 30_000 });
      await running.kill('SIGKILL');
      running = await startSystem({ databaseUrl: database.url, dataDir });
      system = running;
    }
    await writers.stop();
    await eventually(() => caughtUp(running.url), { timeoutMs: 30_000 });
    expect(await checkLog(database.url, writers.answers)).toEqual([]);
    expect(await checkViews(database.url)).toEqual([]);
  });

  it('by SIGTERM it answers what it has taken in, and leaves with 0', async () => {
    const running = await startSystem({ databaseUrl: database.url, dataDir });
    system = running;
    let url = running.url;
    const writers = startWriters(() => url, writersAtOnce);
    await eventually(() => writers.acknowledged() > 50);
    await running.kill('SIGTERM');
    expect(running.process.exitCode, running.output()).toBe(0);
    system = await startSystem({ databaseUrl: database.url, dataDir });
    url = system.url;
    await writers.stop();
    expect(await checkLog(database.url, writers.answers)).toEqual([]);
  });
});

describe('killed while everything goes by Kafka', () => {
  it.each([
    ['relay:after-read', 10],
    ['relay:after-send', 10],
    ['projector:after-apply', 20],
    ['projector:after-commit', 20],
  ] as const)('at %s', async (failpoint, passage) => {
    const kafka = { brokers: kafkaBrokers(), topicPrefix: topicPrefix() };
    const writers = await crashAt(failpoint, passage, kafka);
    expect(await checkLog(database.url, writers.answers)).toEqual([]);
    expect(await checkViews(database.url)).toEqual([]);
    expect(
      await checkTopic({
        databaseUrl: database.url,
        brokers: kafka.brokers,
        topic: topicsOf(kafka.topicPrefix).modelLifecycle,
      }),
    ).toEqual([]);
  });
});
