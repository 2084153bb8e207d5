// What every broker must do, shown on a real Kafka.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import kafkajs from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import { BrokerFailure } from '#infra/kafka/port.ts';
import type {
  Batch,
  BatchContext,
  Broker,
  BrokerLog,
  ConsumeOptions,
  Consumer,
  OutgoingMessage,
  Producer,
  ReceivedMessage,
  TopicSpec,
} from '#infra/kafka/port.ts';
import { eventually } from '#test/eventually.ts';
import { sendCompressed } from '#test/kafka/foreign-producer.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';

const silent: BrokerLog = { debug() {}, info() {}, warn() {}, error() {} };

let broker: Broker;
/** What other programs do to the same Kafka. */
let foreign: kafkajs.Kafka;
let admin: kafkajs.Admin;
let topic: TopicSpec;
let producer: Producer;
let groupId: string;
const consumers: Consumer[] = [];

const specOf = (partitions: number, config: Record<string, string> = {}): TopicSpec => ({
  topic: `${topicPrefix()}topic`,
  partitions,
  config: { 'max.message.bytes': String(2 * 1024 * 1024), ...config },
});

const message = (key: string | null, value: string | null): OutgoingMessage => ({
  key,
  value,
  headers: {},
});
const numbered = (key: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => message(key, `${key}:${from + n}`));
const send = (messages: readonly OutgoingMessage[]) => producer.send(topic.topic, messages);

const unexpectedCrash = (error: BrokerFailure) => {
  throw new Error('the consumer crashed', { cause: error });
};
function consume(
  onBatch: ConsumeOptions['onBatch'],
  options: Partial<ConsumeOptions> = {},
): Consumer {
  const consumer = broker.consume({
    groupId,
    topics: [topic],
    onBatch,
    onCrash: unexpectedCrash,
    ...options,
  });
  consumers.push(consumer);
  return consumer;
}

/** A consumer that keeps what it was given. */
function collect(options: Partial<ConsumeOptions> = {}) {
  const batches: Batch[] = [];
  const messages: ReceivedMessage[] = [];
  const consumer = consume(async (batch) => {
    batches.push(batch);
    messages.push(...batch.messages);
  }, options);
  const values = () => messages.map(({ value }) => String(value));
  return { batches, messages, values, consumer };
}

beforeAll(async () => {
  broker = createBroker({ brokers: kafkaBrokers(), clientId: 'contract', log: silent });
  foreign = new kafkajs.Kafka({ brokers: kafkaBrokers(), logLevel: kafkajs.logLevel.NOTHING });
  admin = foreign.admin();
  await admin.connect();
});
afterAll(async () => {
  await admin.disconnect();
});

beforeEach(async () => {
  topic = specOf(1);
  groupId = `${topic.topic}-group`;
  await broker.ensureTopics([topic]);
  producer = await broker.createProducer();
});
afterEach(async () => {
  await Promise.all([...consumers.splice(0).map((consumer) => consumer.stop()), producer.close()]);
  await admin.deleteTopics({ topics: [topic.topic] }).catch(() => undefined);
});

test('a topic is made with its partitions and settings, and made again is as it was', async () => {
  topic = specOf(3, { 'retention.ms': '-1' });
  await broker.ensureTopics([topic]);
  await broker.ensureTopics([topic]);
  expect(await broker.topicEnds(topic.topic)).toEqual(
    new Map([
      [0, 0],
      [1, 0],
      [2, 0],
    ]),
  );
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [
      { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic.topic, configNames: ['retention.ms'] },
    ],
  });
  expect(resources[0]?.configEntries[0]?.configValue).toBe('-1');
});

test('two services may make the same topics at the same moment', async () => {
  topic = specOf(2);
  await Promise.all([1, 2, 3].map(() => broker.ensureTopics([topic])));
  expect((await broker.topicEnds(topic.topic)).size).toBe(2);
});

test('a changed partition count is refused, and asking again does not help', async () => {
  const refusal = broker.ensureTopics([{ ...topic, partitions: 2 }]);
  await expect(refusal).rejects.toThrow(/has 1 partitions where 2 are expected/);
  await expect(refusal).rejects.toMatchObject({ retryable: false });
});

test('a topic that is absent has no ends, and is not made by asking or sending', async () => {
  const absent = `${topicPrefix()}absent`;
  expect(await broker.topicEnds(absent)).toEqual(new Map());
  await expect(producer.send(absent, numbered('a', 1, 1))).rejects.toThrow(BrokerFailure);
  expect(await admin.listTopics()).not.toContain(absent);
});

test('a send says where in each partition its messages lie', async () => {
  topic = specOf(4);
  await broker.ensureTopics([topic]);
  await send(numbered('before', 1, 3));
  const endsBefore = await broker.topicEnds(topic.topic);
  const sent = await send(['a', 'b', 'c', 'd', 'e', 'f'].flatMap((key) => numbered(key, 1, 5)));
  const endsAfter = await broker.topicEnds(topic.topic);
  expect(
    sent.reduce((sum, { firstOffset, lastOffset }) => sum + lastOffset - firstOffset + 1, 0),
  ).toBe(30);
  for (const { partition, firstOffset, lastOffset } of sent) {
    expect(firstOffset).toBe(endsBefore.get(partition));
    expect(lastOffset + 1).toBe(endsAfter.get(partition));
  }
});

test('an empty send sends nothing', async () => {
  expect(await send([])).toEqual([]);
  expect(producer.usable).toBe(true);
});

test('a second send while one is in flight is a bug', async () => {
  const first = send(numbered('a', 1, 1));
  await expect(send(numbered('a', 2, 2))).rejects.toThrow(/second send/);
  await first;
});

test('a producer is dead after a rejected send, and a new one goes on', async () => {
  await expect(send([message('a', 'x'.repeat(3 * 1024 * 1024))])).rejects.toMatchObject({
    name: 'BrokerFailure',
    retryable: false,
  });
  expect(producer.usable).toBe(false);
  await expect(send(numbered('a', 1, 1))).rejects.toThrow(/had a rejected one/);
  producer = await broker.createProducer();
  expect(await send(numbered('a', 1, 1))).toEqual([
    { partition: 0, firstOffset: 0, lastOffset: 0 },
  ]);
});

test('services that start at once make a topic together, and each has it afterwards', async () => {
  for (let round = 0; round < 10; round++) {
    const spec = specOf(4);
    await Promise.all(Array.from({ length: 8 }, () => broker.ensureTopics([spec])));
    expect((await broker.topicEnds(spec.topic)).size).toBe(4);
  }
});

test('messages of one key come in the order in which they were sent', async () => {
  topic = specOf(4);
  await broker.ensureTopics([topic]);
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  for (let round = 0; round < 5; round++) {
    await send(keys.flatMap((key) => numbered(key, round * 10 + 1, round * 10 + 10)));
  }
  const { messages } = collect();
  await eventually(() => messages.length === keys.length * 50);
  for (const key of keys) {
    const values = messages
      .filter((one) => String(one.key) === key)
      .map(({ value }) => String(value));
    expect(values).toEqual(numbered(key, 1, 50).map(({ value }) => value));
  }
});

test('a batch says from where it was read, where the next begins, and where the partition ends', async () => {
  await send(numbered('a', 1, 5));
  const { batches } = collect({ position: async () => 2 });
  await eventually(() => batches.length > 0);
  expect(batches[0]).toMatchObject({
    partition: 0,
    firstOffset: 2,
    nextOffset: 5,
    highWatermark: 5,
    jumped: false,
  });
});

test('two consumers of a group share the partitions, and one takes them over when the other leaves', async () => {
  topic = specOf(6);
  await broker.ensureTopics([topic]);
  const first = collect();
  await eventually(() => first.consumer.assigned().length === 6);
  const second = collect();
  await eventually(
    () => first.consumer.assigned().length === 3 && second.consumer.assigned().length === 3,
    { timeoutMs: 20_000 },
  );
  const keys = Array.from({ length: 60 }, (_, n) => `key-${n}`);
  await send(keys.map((key) => message(key, key)));
  await eventually(() => new Set([...first.values(), ...second.values()]).size === 60);
  expect(first.messages.length).toBeGreaterThan(0);
  expect(second.messages.length).toBeGreaterThan(0);
  await first.consumer.stop();
  await eventually(() => second.consumer.assigned().length === 6, { timeoutMs: 20_000 });
  await send(keys.map((key) => message(key, `${key} again`)));
  await eventually(() => keys.every((key) => second.values().includes(`${key} again`)));
});

test('what was handled is not given again after a clean stop', async () => {
  await send(numbered('a', 1, 3));
  const first = collect();
  await eventually(() => first.messages.length === 3);
  await first.consumer.stop();
  expect(first.consumer.state).toBe('stopped');
  await send(numbered('a', 4, 4));
  const second = collect();
  await eventually(() => second.messages.length > 0);
  expect(second.values()).toEqual(['a:4']);
});

test('a stop waits for the batch that runs', async () => {
  await send(numbered('a', 1, 1));
  const steps: string[] = [];
  const work = Promise.withResolvers<void>();
  const consumer = consume(async () => {
    steps.push('begun');
    await work.promise;
    steps.push('done');
  });
  await eventually(() => steps.length > 0);
  const stopped = consumer.stop().then(() => steps.push('stopped'));
  work.resolve();
  await stopped;
  expect(steps).toEqual(['begun', 'done', 'stopped']);
});

test('what was not handled to its end comes again to the next consumer', async () => {
  await send(numbered('a', 1, 3));
  const begun: string[] = [];
  const consumer = consume(async (batch, { signal }: BatchContext) => {
    begun.push(...batch.messages.map(({ value }) => String(value)));
    await new Promise<void>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('cut off')));
    });
  });
  await eventually(() => begun.length === 3);
  await consumer.stop();
  const second = collect();
  await eventually(() => second.messages.length === 3);
  expect(second.values()).toEqual(begun);
});

test('a batch comes again when the process that had it is killed', async () => {
  await send(numbered('a', 1, 2));
  const program = fileURLToPath(new URL('dying-consumer.ts', import.meta.url));
  const args = [program, topic.topic, groupId, ...kafkaBrokers()];
  const dying = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [begun] = (await once(dying.stdout, 'data')) as [Buffer];
  dying.kill('SIGKILL');
  await once(dying, 'exit');
  expect(String(begun).trim()).toBe('a:1 a:2');
  const heir = collect();
  // As long as Kafka takes to see that the dead one is gone.
  await eventually(() => heir.messages.length === 2, { timeoutMs: 30_000 });
  expect(heir.values()).toEqual(['a:1', 'a:2']);
});

test('a failure that may pass brings the same batch again; nothing is skipped', async () => {
  await send(numbered('a', 1, 2));
  const tries: Batch[] = [];
  consume(async (batch) => {
    tries.push(batch);
    if (tries.length < 3) throw new BrokerFailure('the database is away', { retryable: true });
  });
  await eventually(() => tries.length === 3);
  expect(tries.map(({ firstOffset, nextOffset }) => [firstOffset, nextOffset])).toEqual([
    [0, 2],
    [0, 2],
    [0, 2],
  ]);
});

test('a failure that is a bug ends the consumer, once, and says so', async () => {
  await send(numbered('a', 1, 1));
  const crashes: BrokerFailure[] = [];
  let tries = 0;
  const consumer = consume(
    async () => {
      tries++;
      throw new TypeError('undefined is not a model');
    },
    { onCrash: (error) => crashes.push(error) },
  );
  await eventually(() => crashes.length > 0);
  expect(crashes).toHaveLength(1);
  expect(crashes[0]?.message).toContain('undefined is not a model');
  expect(consumer.state).toBe('crashed');
  expect(consumer.running).toBe(false);
  expect(tries).toBe(1);
});

test('a handler may seek back, and reads on from there', async () => {
  await send(numbered('a', 1, 4));
  const offsets: number[] = [];
  let sought = false;
  const batches: Batch[] = [];
  consume(async (batch, { seek }) => {
    batches.push(batch);
    if (!sought) {
      sought = true;
      return seek(1);
    }
    offsets.push(...batch.messages.map(({ offset }) => offset));
  });
  await eventually(() => offsets.length === 3);
  expect(offsets).toEqual([1, 2, 3]);
  expect(batches[1]).toMatchObject({ firstOffset: 1, jumped: false });
});

test('the stored position decides over the committed offset, ahead of it and behind it', async () => {
  await send(numbered('a', 1, 3));
  const first = collect();
  await eventually(() => first.messages.length === 3);
  await first.consumer.stop();
  await send(numbered('a', 4, 6));
  const ahead = collect({ position: async () => 5 });
  await eventually(() => ahead.messages.length > 0);
  expect(ahead.values()).toEqual(['a:6']);
  await ahead.consumer.stop();
  const behind = collect({ position: async () => 2 });
  await eventually(() => behind.messages.length === 4);
  expect(behind.messages[0]?.offset).toBe(2);
  await behind.consumer.stop();
  const fromTheStart = collect({ position: async () => null });
  await eventually(() => fromTheStart.messages.length === 6);
  expect(fromTheStart.batches[0]?.jumped).toBe(false);
});

test('while the stored position cannot be read nothing is read, and then it goes on by itself', async () => {
  await send(numbered('a', 1, 3));
  let asked = 0;
  const { batches } = collect({
    position: async () => {
      asked++;
      if (asked < 3) throw new BrokerFailure('the database is away', { retryable: true });
      return 1;
    },
  });
  await eventually(() => batches.length > 0);
  expect(asked).toBe(3);
  expect(batches[0]?.firstOffset).toBe(1);
});

test('records that were deleted are jumped over to the earliest there is, never to the end', async () => {
  await send(numbered('a', 1, 6));
  // Loads the metadata that kafkajs needs for the deletion.
  await admin.fetchTopicOffsets(topic.topic);
  await admin.deleteTopicRecords({
    topic: topic.topic,
    partitions: [{ partition: 0, offset: '3' }],
  });
  const { batches, values } = collect({ position: async () => 1 });
  await eventually(() => batches.length > 0);
  expect(values()).toEqual(['a:4', 'a:5', 'a:6']);
  expect(batches[0]).toMatchObject({ firstOffset: 3, jumped: true });
});

test('a position past the end is answered from the beginning', async () => {
  await send(numbered('a', 1, 2));
  const { batches, values } = collect({ position: async () => 1_000 });
  await eventually(() => batches.length > 0);
  expect(values()).toEqual(['a:1', 'a:2']);
  expect(batches[0]).toMatchObject({ firstOffset: 0, jumped: true });
});

test('a topic that is deleted and made anew is read from its new beginning', async () => {
  await send(numbered('old', 1, 5));
  const { batches, values } = collect({ position: async () => null });
  await eventually(() => values().length === 5);
  await admin.deleteTopics({ topics: [topic.topic] });
  await eventually(async () => !(await admin.listTopics()).includes(topic.topic));
  await producer.close();
  await eventually(() => broker.ensureTopics([topic]).then(() => true));
  producer = await broker.createProducer();
  await send(numbered('new', 1, 2));
  await eventually(() => values().includes('new:2'), { timeoutMs: 40_000 });
  expect(values().slice(5)).toEqual(['new:1', 'new:2']);
  expect(batches.at(-1)?.firstOffset).toBeLessThan(2);
});

test('a message without a value, an empty one and a huge one come as they are', async () => {
  const huge = 'h'.repeat(1_900_000);
  const headers = { text: 'grün', empty: '', bytes: Buffer.from([0, 255]) };
  await send([
    message('a', null),
    message(null, ''),
    { key: Buffer.from([1, 2]), value: huge, headers },
  ]);
  const { messages } = collect();
  await eventually(() => messages.length === 3);
  expect(messages[0]?.value).toBeNull();
  expect(messages[1]?.key).toBeNull();
  expect(messages[1]?.value).toHaveLength(0);
  expect(messages[2]?.key).toEqual(Buffer.from([1, 2]));
  expect(messages[2]?.value?.length).toBe(huge.length);
  expect(messages[2]?.headers).toEqual({
    text: Buffer.from('grün'),
    empty: Buffer.alloc(0),
    bytes: Buffer.from([0, 255]),
  });
});

test('batches compressed by zstd are read, and a topic of zstd makes them of any other', async () => {
  topic = specOf(1, { 'compression.type': 'zstd' });
  groupId = `${topic.topic}-group`;
  await broker.ensureTopics([topic]);
  const other = foreign.producer();
  await other.connect();
  const { ZSTD, GZIP } = kafkajs.CompressionTypes;
  for (const compression of [ZSTD, GZIP]) {
    await other.send({
      topic: topic.topic,
      compression,
      messages: [{ key: 'a', value: `compressed ${compression}`.repeat(100) }],
    });
  }
  await other.disconnect();
  const { values } = collect();
  await eventually(() => values().length === 2);
  expect(values()[0]).toBe(`compressed ${ZSTD}`.repeat(100));
  expect(values()[1]).toBe(`compressed ${GZIP}`.repeat(100));
});

test('a batch that cannot be unpacked stands as one message that says so, and what follows is read', async () => {
  await sendCompressed('snappy', topic.topic, [{ value: '1' }, { value: '2' }]);
  await send([message('a', 'after')]);
  const { messages: read, batches } = collect();
  await eventually(() => read.length === 2);
  expect(read[0]).toMatchObject({ offset: 1, key: null, value: null, headers: {} });
  expect(read[0]?.fault).toMatch(/offsets 0 to 1.*Snappy/);
  expect(read[1]).toMatchObject({ offset: 2, value: Buffer.from('after') });
  expect(batches.at(-1)?.nextOffset).toBe(3);
});

test('a paused consumer keeps its partitions and reads nothing until it is resumed', async () => {
  const { consumer, values } = collect();
  await eventually(() => consumer.running);
  consumer.pause();
  expect(consumer.state).toBe('paused');
  await send(numbered('a', 1, 1));
  const witness = collect({ groupId: `${groupId}-witness` });
  await eventually(() => witness.values().length === 1);
  expect(values()).toEqual([]);
  expect(consumer.assigned()).toHaveLength(1);
  consumer.resume();
  await eventually(() => values().length === 1);
});

test('a consumer whose topic has another partition count ends and says why', async () => {
  const crashes: BrokerFailure[] = [];
  collect({ topics: [{ ...topic, partitions: 5 }], onCrash: (error) => crashes.push(error) });
  await eventually(() => crashes.length > 0);
  expect(crashes[0]?.message).toMatch(/1 partitions where 5 are expected/);
});

test('a Kafka that is away is said in bounded time, and a consumer waits for it', async () => {
  const away = createBroker({ brokers: ['127.0.0.1:1'], clientId: 'contract', log: silent });
  await expect(away.ping()).rejects.toMatchObject({ name: 'BrokerFailure', retryable: true });
  await expect(away.createProducer()).rejects.toMatchObject({ retryable: true });
  const consumer = away.consume({
    groupId,
    topics: [topic],
    onBatch: async () => {},
    onCrash: unexpectedCrash,
  });
  expect(consumer.state).toBe('connecting');
  await consumer.stop();
  expect(consumer.state).toBe('stopped');
});

test('a Kafka that is there answers a ping', async () => {
  await expect(broker.ping()).resolves.toBeUndefined();
});
