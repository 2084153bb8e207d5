// `npm run example:training`, run as a person does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { Registry } from '#infra/telemetry/metrics.ts';
import { consumeTraining } from '#services/command-api/training-consumer.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { adminKey, startRegistry } from '#test/retention/registry.ts';
import type { TestRegistry } from '#test/retention/registry.ts';

const script = path.join(import.meta.dirname, '../examples/training.ts');

let registry: TestRegistry;
beforeEach(async () => {
  registry = await startRegistry();
});
afterEach(() => registry.stop());

async function run(args: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [script, '--url', registry.apiUrl, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], MODELOG_ADMIN_KEY: adminKey, ...environment },
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number]>,
  ]);
  return { out, err, code };
}

it('tells by POST what it sent and which versions came of it', async () => {
  const first = await run(['--nights', '2']);
  expect(first.code).toBe(0);
  expect(first.out).toContain('→ churn version 1, in development');
  expect(first.out).toContain('→ demand-forecast version 2, in development');
  expect(first.out).toContain('→ known already: churn version 1');
  const second = await run([]);
  expect(second.out).toContain('→ churn version 3, in development');
});

it('tells by Kafka the same', async () => {
  const logger = openLogger('silent');
  const broker = createBroker({ brokers: kafkaBrokers(), clientId: 'test', log: logger });
  const consumer = consumeTraining({
    broker,
    // The example sends where a real pipeline does, so the topic is the one of that name.
    topics: topicsOf(),
    groupPrefix: topicPrefix(),
    codec: jsonCodec(),
    submit: registry.commandApi.submitTraining,
    isTenant: async () => false,
    logger,
    registry: new Registry(),
    onCrash: (error) => {
      throw error;
    },
  });
  try {
    const { out, code } = await run([], { KAFKA_BROKERS: kafkaBrokers().join(',') });
    expect(code).toBe(0);
    expect(out).toContain('→ churn version 1, in development');
    expect(out).toContain('→ known already: churn version 1');
  } finally {
    await consumer.stop();
  }
});

it('says what to do when it cannot work', async () => {
  const unknown = await run([], { MODELOG_ADMIN_KEY: 'not-a-key' });
  expect([unknown.code, unknown.err]).toEqual([
    1,
    `The registry at ${registry.apiUrl} does not know the key; see MODELOG_ADMIN_KEY.\n`,
  ]);
  const nobody = await run(['--url', 'http://127.0.0.1:1']);
  expect([nobody.code, nobody.err]).toEqual([
    1,
    expect.stringMatching(/^No registry answers at http:\/\/127\.0\.0\.1:1\. .*--url/),
  ]);
  expect((await run(['--nights', '0'])).err).toMatch(/^--nights must be/);
  expect((await run(['--help'])).out).toMatch(/^npm run example:training/);
});
