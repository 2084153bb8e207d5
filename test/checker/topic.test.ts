// Shows that the checker of the topic finds what it is there to find, on what really lay on a topic.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordedEvent } from '#events/envelope.ts';
import { createBroker } from '#infra/kafka/broker.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import type { TopicSpec } from '#infra/kafka/port.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { checkTopic, readLog, readTopic, topicViolations } from '#test/checker/topic.ts';
import type { TopicMessage } from '#test/checker/topic.ts';
import { eventually } from '#test/eventually.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';
import { appendModels, appendTenant } from '#test/relay/history.ts';
import { startRelay } from '#test/relay/running.ts';

const fail = (error: Error): never => {
  throw error;
};

let database: FreshDatabase;
let topic: TopicSpec;
let events: RecordedEvent[];
let messages: TopicMessage[];

beforeAll(async () => {
  database = await freshDatabase();
  const { url } = database;
  await migrate(url, logMigrations);
  const pool = openPool({ url, name: 'test', role: 'modelog_service', size: 1, onError: fail });
  const log = openPostgresLog({ url, pool, failpoint: () => undefined, onError: fail });
  await appendTenant(log);
  await appendModels(log, { models: 5, eventsEach: 4 });
  await log.close();
  await pool.end();
  const prefix = topicPrefix();
  topic = topicsOf(prefix).modelLifecycle;
  const relay = startRelay({ databaseUrl: url, brokers: kafkaBrokers(), prefix });
  await eventually(() => relay.health().role === 'leader', { timeoutMs: 30_000 });
  await eventually(async () => (await relay.metric('modelog_relay_lag_events')) === 0);
  await relay.stop();
  events = await readLog(url);
  messages = await readTopic(kafkaBrokers(), topic);
});
afterAll(() => database.drop());

const found = (changed: readonly TopicMessage[]) =>
  topicViolations(events, changed, topic.partitions, jsonCodec());

/** Where on the topic a stream's version lies. */
function indexOf(stream: string, version: number): number {
  const index = messages.findIndex(
    ({ key, headers }) =>
      String(key) === stream && String(headers['ce_streamversion']) === String(version),
  );
  expect(index).toBeGreaterThanOrEqual(0);
  return index;
}

const aStream = () => events.at(-1)!.stream;

test('a topic that equals its log has no violation, and all of it was looked at', async () => {
  expect(messages).toHaveLength(20);
  expect(await found(messages)).toEqual([]);
});

test('an event that is dropped is found, in the middle and at the end', async () => {
  const stream = aStream();
  expect(await found(messages.toSpliced(indexOf(stream, 2), 1))).toMatchObject([
    { where: stream, what: expect.stringMatching(/version 3 .* right after version 1/) as string },
  ]);
  expect(await found(messages.toSpliced(indexOf(stream, 4), 1))).toEqual([
    {
      invariant: 'I7',
      where: stream,
      what: 'missing: the log goes on to version 4, the topic to 3',
    },
  ]);
});

test('a topic without any of a stream, or of all, is found', async () => {
  const stream = aStream();
  expect(await found(messages.filter(({ key }) => String(key) !== stream))).toMatchObject([
    { where: stream, what: 'missing: the log goes on to version 4, the topic to 0' },
  ]);
  expect(await found([])).toHaveLength(5);
});

test('an event that is repeated as it was is no violation, also after newer ones', async () => {
  const again = messages[indexOf(aStream(), 1)]!;
  expect(await found([...messages, again])).toEqual([]);
});

test('events of one key in another order are found', async () => {
  const stream = aStream();
  const [second, third] = [indexOf(stream, 2), indexOf(stream, 3)];
  const swapped = messages.with(second, messages[third]!).with(third, messages[second]!);
  expect(await found(swapped)).toMatchObject([
    { where: stream, what: expect.stringMatching(/version 3 .* right after version 1/) as string },
  ]);
});

test('an event that is not in the log is found: a version too many, a stream, a tenant', async () => {
  const stream = aStream();
  const last = messages[indexOf(stream, 4)]!;
  const more = { ...last.headers, ce_streamversion: Buffer.from('5') };
  expect(await found([...messages, { ...last, headers: more }])).toMatchObject([
    { where: stream, what: expect.stringContaining('extra: version 5') as string },
  ]);
  const tenant = events.find((event) => event.stream.startsWith('tenant:'))!.stream;
  for (const other of [`model:default:${randomUUID()}`, tenant]) {
    const headers = { ...last.headers, ce_subject: Buffer.from(other) };
    expect(await found([...messages, { ...last, key: Buffer.from(other), headers }])).toMatchObject(
      [{ where: other, what: expect.stringContaining('is not in the log') as string }],
    );
  }
});

test('an event that says something else than the log is found', async () => {
  const stream = aStream();
  const index = indexOf(stream, 1);
  const original = messages[index]!;
  const changes: Partial<TopicMessage>[] = [
    { value: Buffer.from('{}') },
    { headers: { ...original.headers, ce_reason: Buffer.from('another') } },
    { headers: { ...original.headers, ce_position: Buffer.from('1') } },
  ];
  for (const change of changes)
    expect(await found(messages.with(index, { ...original, ...change }))).toMatchObject([
      { where: stream, what: expect.stringContaining('is not as in the log') as string },
    ]);
});

test('an event in the wrong partition is found', async () => {
  const index = indexOf(aStream(), 1);
  const original = messages[index]!;
  const partition = (original.partition + 1) % topic.partitions;
  expect(await found(messages.with(index, { ...original, partition }))).toMatchObject([
    { what: expect.stringContaining('in another partition than its key') as string },
  ]);
});

test('what somebody else wrote to the real topic is found', async () => {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const broker = createBroker({ brokers: kafkaBrokers(), clientId: 'foreign', log });
  const producer = await broker.createProducer();
  await producer.send(topic.topic, [{ key: null, value: 'junk', headers: {} }]);
  await producer.close();
  const violations = await checkTopic({
    databaseUrl: database.url,
    brokers: kafkaBrokers(),
    topic,
  });
  expect(violations).toMatchObject([
    { invariant: 'I7', what: expect.stringContaining('extra: ') as string },
  ]);
});
