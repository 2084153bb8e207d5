// Finished trainings that come by Kafka: taken once, in order, and what cannot be taken is dead with its reason.
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import { avroCodec } from '#infra/kafka/avro-codec.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import type { EventCodec } from '#infra/kafka/codec.ts';
import type { Broker, Consumer, OutgoingMessage, ReceivedMessage } from '#infra/kafka/port.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import type { Topics } from '#infra/kafka/topics.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { Registry } from '#infra/telemetry/metrics.ts';
import { consumeTraining } from '#services/command-api/training-consumer.ts';
import type { TrainingConsumer } from '#services/command-api/training-consumer.ts';
import { eventually } from '#test/eventually.ts';
import { sendCompressed } from '#test/kafka/foreign-producer.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { schemaRegistryUrl } from '#test/real/schema-registry.ts';
import { startRegistry } from '#test/retention/registry.ts';
import type { TestRegistry } from '#test/retention/registry.ts';
import { churnTraining, cloudEvent } from './events.ts';
import type { CloudEvent } from './events.ts';

const logger = openLogger('silent');

let registry: TestRegistry;
let broker: Broker;
let topics: Topics;
let prefix: string;
let consumers: (TrainingConsumer | Consumer)[];
beforeEach(async () => {
  registry = await startRegistry();
  broker = createBroker({ brokers: kafkaBrokers(), clientId: 'test', log: logger });
  prefix = topicPrefix();
  topics = topicsOf(prefix);
  consumers = [];
  await broker.ensureTopics([topics.trainingCompleted]);
});
afterEach(async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  await registry.stop();
});

function startConsumer(codec: EventCodec = jsonCodec()): TrainingConsumer {
  const consumer = consumeTraining({
    broker,
    topics,
    groupPrefix: prefix,
    codec,
    submit: registry.commandApi.submitTraining,
    isTenant: async () => false,
    logger,
    registry: new Registry(),
    onCrash: (error) => {
      throw error;
    },
  });
  consumers.push(consumer);
  return consumer;
}

async function send(messages: readonly OutgoingMessage[]): Promise<void> {
  const producer = await broker.createProducer();
  await producer.send(topics.trainingCompleted.topic, messages);
  await producer.close();
}

/** One key for all, so that they lie in one partition in this order. */
const structured = (event: object): OutgoingMessage => ({
  key: 'nightly',
  value: JSON.stringify(event),
  headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
});

const binary = (
  { data, specversion, id, source, type }: CloudEvent,
  value: string | Buffer | null = JSON.stringify(data),
): OutgoingMessage => ({
  key: 'nightly',
  value,
  headers: { ce_specversion: specversion, ce_id: id, ce_source: source, ce_type: type },
});

const training = (label: string, data: object = {}) => ({
  ...churnTraining,
  content_digest: null,
  label,
  ...data,
});

async function labels(): Promise<string[]> {
  const { rows } = await registry.pool.query<{ label: string }>(
    `select data ->> 'label' as label from log.events where type = 'model.versioned' order by position`,
  );
  return rows.map(({ label }) => label);
}

/** Collects the dead letters as they come. */
function deadLetters(): ReceivedMessage[] {
  const letters: ReceivedMessage[] = [];
  const spec = topics.deadLetters(topics.trainingCompleted, 'command-api');
  consumers.push(
    broker.consume({
      groupId: `${prefix}test`,
      topics: [spec],
      onBatch: async ({ messages }) => void letters.push(...messages),
      onCrash: (error) => {
        throw error;
      },
    }),
  );
  return letters;
}

const reasonsOf = (letters: readonly ReceivedMessage[]) =>
  letters.map(({ headers }) => headers['dlq_reason']?.toString());

it('each training becomes a version, those of one model in their order', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `1.${index}`);
  startConsumer();
  await send(names.map((name) => structured(cloudEvent(training(name)))));
  await eventually(async () => expect(await labels()).toHaveLength(30));
  expect(await labels()).toEqual(names);
  const events = await registry.commandApi.log.readAll(0, 10, { tenant: null, modelsOnly: true });
  expect(events[0]).toMatchObject({
    type: 'model.registered',
    occurred_at: '2026-11-20T22:15:00.000Z',
    actor: {
      subject: 'training-completed',
      type: 'service',
      auth_method: 'event',
      key_id: null,
      declared_by: '/pipelines/nightly',
    },
  });
});

it('the same event, however often it comes and whichever way, makes one version', async () => {
  const event = cloudEvent(training('1.0'));
  startConsumer();
  await send([structured(event), binary(event), structured(event)]);
  await send([binary(event), structured(cloudEvent(training('last')))]);
  await eventually(async () => expect(await labels()).toContain('last'));
  expect(await labels()).toEqual(['1.0', 'last']);
});

it('what cannot be read or is refused is dead, with its reason, and the others go on', async () => {
  const first = cloudEvent(training('1.0'));
  const messages: [OutgoingMessage, string][] = [
    [{ key: null, value: 'hello', headers: {} }, 'not_ours'],
    [binary(cloudEvent({}), null), 'empty'],
    [binary(cloudEvent({}), '{"model_name":'), 'bad_value'],
    [structured(cloudEvent({}, { type: 'training.started' })), 'not_ours'],
    [structured(cloudEvent(training('x'), { id: '' })), 'bad_header'],
    [structured(cloudEvent(training('x', { colour: 'red' }))), 'invalid'],
    [structured(cloudEvent(training('x'), { tenant: 'nobody' })), 'unknown_tenant'],
    [structured({ ...first, data: training('other') }), 'key_reused'],
    [structured(cloudEvent(training('1.0'))), 'version_exists'],
    [binary(cloudEvent(training('x')), Buffer.from([0, 0, 0, 0, 7, 2])), 'no_schema_registry'],
    [binary(cloudEvent({}), JSON.stringify({ description: 'x'.repeat(600_000) })), 'oversized'],
  ];
  const letters = deadLetters();
  startConsumer();
  const inOnePartition = messages.map(([message]) => ({ ...message, key: 'nightly' }));
  await send([structured(first), ...inOnePartition, structured(cloudEvent(training('2.0')))]);
  await eventually(async () => expect(await labels()).toEqual(['1.0', '2.0']));
  await eventually(() => expect(letters).toHaveLength(messages.length));
  expect(reasonsOf(letters)).toEqual(messages.map(([, reason]) => reason));
  const refused = letters[reasonsOf(letters).indexOf('version_exists')]!;
  expect(refused.headers['dlq_explanation']!.toString()).toContain('"number":1');
  expect(refused.headers['dlq_topic']!.toString()).toBe(topics.trainingCompleted.topic);
});

const sendByGzip = (messages: readonly OutgoingMessage[]): Promise<void> =>
  sendCompressed(
    'gzip',
    topics.trainingCompleted.topic,
    messages.map((message) => ({ ...message, headers: { ...message.headers } })),
  );

it('what is small on the wire and large in itself is dead without its value, and the others go on', async () => {
  const letters = deadLetters();
  startConsumer();
  await sendByGzip([
    binary(cloudEvent({}), JSON.stringify({ description: 'x'.repeat(5_000_000) })),
  ]);
  const large = JSON.stringify({ description: 'x'.repeat(1_500_000) });
  await sendByGzip([binary(cloudEvent({}), large), binary(cloudEvent({}), large)]);
  await send([structured(cloudEvent(training('1.0')))]);
  await eventually(async () => expect(await labels()).toEqual(['1.0']));
  await eventually(() => expect(letters).toHaveLength(3));
  expect(reasonsOf(letters)).toEqual(['oversized', 'oversized', 'oversized']);
  expect(letters.map(({ value }) => value?.length)).toEqual([
    undefined,
    large.length,
    large.length,
  ]);
});

it('a batch that unpacks to more than memory may hold is dead as one, and the others go on', async () => {
  const letters = deadLetters();
  startConsumer();
  const large = JSON.stringify({ description: 'x'.repeat(1_000_000) });
  await sendByGzip(Array.from({ length: 70 }, () => binary(cloudEvent({}), large)));
  await send([structured(cloudEvent(training('1.0')))]);
  await eventually(async () => expect(await labels()).toEqual(['1.0']));
  await eventually(() => expect(letters).toHaveLength(1));
  expect(letters[0]!.value).toBeNull();
  expect(reasonsOf(letters)).toEqual(['unpackable']);
  expect(letters[0]!.headers['dlq_explanation']!.toString()).toContain('offsets 0 to 69');
});

it('Avro is read by the schema that its writer registered', async () => {
  const url = await schemaRegistryUrl();
  const schemas = new SchemaRegistry({ host: url });
  const schema = {
    type: 'record',
    name: 'TrainingCompleted',
    namespace: 'pipelines',
    fields: [
      { name: 'model_name', type: 'string' },
      { name: 'framework', type: ['null', 'string'], default: null },
      { name: 'label', type: ['null', 'string'], default: null },
      { name: 'metrics', type: { type: 'map', values: 'double' } },
    ],
  };
  const { id } = await schemas.register(
    { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
    { subject: `${topics.trainingCompleted.topic}-pipelines.TrainingCompleted` },
  );
  const data = { model_name: 'fraud', framework: 'torch', label: null, metrics: { auc: 0.97 } };
  const event = cloudEvent(data);
  startConsumer(avroCodec({ url, topic: topics.trainingCompleted.topic }));
  await send([binary(event, await schemas.encode(id, data)), structured(event)]);
  await send([structured(cloudEvent(training('last')))]);
  await eventually(async () => expect(await labels()).toEqual([null, 'last']));
  const { rows } = await registry.pool.query(
    `select data -> 'metrics' as metrics from log.events where type = 'model.versioned' order by position limit 1`,
  );
  expect(rows).toEqual([{ metrics: [{ name: 'auc', split: null, value: 0.97 }] }]);
});

describe('while PostgreSQL is away', () => {
  /** Throws everybody out of the test's database, and lets nobody in until told. */
  async function shut(): Promise<() => Promise<void>> {
    const server = new Client({ connectionString: inject('postgresUrl') });
    await server.connect();
    const database = new URL(registry.databaseUrl).pathname.slice(1);
    await server.query(`alter database ${database} with allow_connections false`);
    await server.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
      [database],
    );
    return async () => {
      await server.query(`alter database ${database} with allow_connections true`);
      await server.end();
    };
  }

  it('trainings wait, none of them dies, and they are taken when it is back', async () => {
    const letters = deadLetters();
    const consumer = startConsumer();
    await send([structured(cloudEvent(training('1.0')))]);
    await eventually(async () => expect(await labels()).toEqual(['1.0']));
    const open = await shut();
    await send([
      structured(cloudEvent(training('2.0'))),
      { key: 'nightly', value: 'junk', headers: {} },
      structured(cloudEvent(training('3.0'))),
    ]);
    await eventually(() =>
      expect(consumer.health()).toEqual({ status: 'down', detail: 'waiting for the event log' }),
    );
    expect(letters).toEqual([]);
    await open();
    await eventually(async () => expect(await labels()).toEqual(['1.0', '2.0', '3.0']));
    await eventually(() => expect(reasonsOf(letters)).toEqual(['not_ours']));
    expect(consumer.health().status).toBe('up');
  });
});
