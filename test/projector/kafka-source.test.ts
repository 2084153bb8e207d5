// The projector on a real Kafka: shared partitions, and whatever is repeated, reordered, lost or foreign on the topic.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RecordedEvent } from '#events/envelope.ts';
import { createBroker } from '#infra/kafka/broker.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { toMessage } from '#infra/kafka/envelope.ts';
import { partitionOf } from '#infra/kafka/partition.ts';
import type { Broker, OutgoingMessage, Producer, ReceivedMessage } from '#infra/kafka/port.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import type { Topics } from '#infra/kafka/topics.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { projectFromKafka } from '#services/projector/from-kafka.ts';
import { projectFromLog } from '#services/projector/from-log.ts';
import { findOffsets } from '#services/projector/generations.ts';
import type { Observer, Projection } from '#services/projector/projection.ts';
import { views } from '#services/projector/views.ts';
import { openWriter } from '#services/projector/writer.ts';
import { checkViews } from '#test/checker/views.ts';
import { eventually } from '#test/eventually.ts';
import { sendCompressed } from '#test/kafka/foreign-producer.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { liveAModel, newVersion, openRegistry, registering } from './registry.ts';
import type { TestRegistry } from './registry.ts';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

const codec = jsonCodec();
const groupId = 'projector';
const logger = openLogger('silent');
/** A message as large as this has to reach the projector, so that it can say no. */
const oversizedBytes = 2_500_000;

let registry: TestRegistry;
let broker: Broker;
let topics: Topics;
let producer: Producer;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  registry = await openRegistry();
  broker = createBroker({ brokers: kafkaBrokers(), clientId: 'test', log: logger });
  const made = topicsOf(topicPrefix());
  const config = { ...made.modelLifecycle.config, 'max.message.bytes': '4194304' };
  topics = { ...made, modelLifecycle: { ...made.modelLifecycle, config } };
  await broker.ensureTopics([topics.modelLifecycle]);
  producer = await broker.createProducer();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await producer.close();
  await registry.close();
});

function project(source: 'kafka' | 'log') {
  const seen = { events: 0, crashes: 0 };
  const writer = openWriter({ url: registry.url, name: 'test', onError: () => undefined });
  const observer: Observer = {
    serving: () => undefined,
    claimed: () => undefined,
    changed: () => undefined,
    applied: (events) => void (seen.events += events),
    reached: () => undefined,
  };
  const common = {
    log: registry.log,
    writer,
    views,
    owner: randomUUID(),
    failpoint: () => undefined,
    observer,
    logger,
  };
  const onCrash = (): void => void seen.crashes++;
  const projection: Projection =
    source === 'log'
      ? projectFromLog({ ...common, head: registry.head })
      : projectFromKafka({ ...common, broker, topics, codec, groupId, onCrash });
  const stop = async (): Promise<void> => {
    await projection.stop();
    await writer.close();
  };
  closing.push(stop);
  return { seen, projection, stop: () => (closing.splice(closing.indexOf(stop), 1), stop()) };
}

const send = async (messages: readonly OutgoingMessage[]): Promise<void> => {
  await producer.send(topics.modelLifecycle.topic, messages);
};
const messagesOf = (events: readonly RecordedEvent[]): Promise<OutgoingMessage[]> =>
  Promise.all(events.map((event) => toMessage(event, codec)));
const publish = async (events: readonly RecordedEvent[]): Promise<void> =>
  send(await messagesOf(events));

/** Everything on the topic has been read, whatever became of it. */
const isRead = async (): Promise<boolean> => {
  const ends = await broker.topicEnds(topics.modelLifecycle.topic);
  const offsets = await findOffsets(registry.pool, 1);
  return [...ends].every(
    ([partition, end]) =>
      end === 0 || offsets.find((offset) => offset.partition === partition)!.nextOffset === end,
  );
};
const allApplied = async (): Promise<void> => {
  await eventually(isRead, { timeoutMs: 30_000 });
  expect(await checkViews(registry.url)).toEqual([]);
};

/** How many streams are in the views up to their last event. */
const streamsComplete = async (): Promise<number> => {
  const { rows } = await registry.pool.query<{ streams: number }>(
    'select count(*)::int as streams from log.streams s join views.stream_versions_g1 v using (stream, version)',
  );
  return rows[0]!.streams;
};

/** Reasons and keys of the dead letters, once there are so many. */
async function deadLetters(count: number): Promise<{ reason: string; key: string | undefined }[]> {
  const letters: ReceivedMessage[] = [];
  const consumer = broker.consume({
    groupId: `reader-${randomUUID()}`,
    topics: [topics.deadLetters(topics.modelLifecycle, groupId)],
    onBatch: async ({ messages }) => void letters.push(...messages),
    onCrash: (error) => {
      throw error;
    },
  });
  await eventually(() => letters.length >= count, { timeoutMs: 20_000 });
  await consumer.stop();
  return letters.map(({ headers, key }) => ({
    reason: headers['dlq_reason']!.toString(),
    key: key?.toString(),
  }));
}

test('two projectors share the partitions, and what is sent twice is applied once', async () => {
  for (let nth = 0; nth < 10; nth++) await liveAModel(registry, `model-${nth}`);
  const events = await registry.log.readAll(0, 1000);
  const first = project('kafka');
  const second = project('kafka');
  await eventually(
    () => [first, second].every(({ projection }) => projection.state === 'running'),
    {
      timeoutMs: 30_000,
    },
  );
  await publish(events);
  await publish(events.slice(50));
  await allApplied();
  expect(await streamsComplete()).toBe(10);
  await second.stop();
  for (let nth = 10; nth < 14; nth++) await liveAModel(registry, `model-${nth}`);
  await publish(await registry.log.readAll(events.length, 1000));
  await allApplied();
  expect(await streamsComplete()).toBe(14);
  expect([first.seen.crashes, second.seen.crashes]).toEqual([0, 0]);
});

test('messages out of order, lost and repeated leave the views exact', async () => {
  for (let nth = 0; nth < 6; nth++) await liveAModel(registry, `model-${nth}`);
  const events = await registry.log.readAll(0, 1000);
  project('kafka');
  const shuffled = events
    .map((event) => ({ event, at: Math.random() }))
    .sort((a, b) => a.at - b.at);
  await publish(shuffled.map(({ event }) => event).filter((_, index) => index % 3 !== 0));
  await publish(events.filter((_, index) => index % 5 === 0).toReversed());
  await publish(events.slice(-3));
  const last = new Map(events.map((event) => [event.stream, event]));
  await publish([...last.values()]);
  await allApplied();
  expect(await streamsComplete()).toBe(6);
});

test('junk goes to the dead letters with its reason, and the others go on', async () => {
  const model = await liveAModel(registry, 'model');
  const [first, ...rest] = await messagesOf(await registry.log.readAll(0, 1000));
  const { stream } = model;
  const foreignKey = keyElsewhere(stream);
  project('kafka');
  await send([
    first!,
    { key: 'anything', value: 'foreign', headers: {} },
    { key: null, value: null, headers: {} },
    { key: stream, value: null, headers: rest[0]!.headers },
    { ...rest[0]!, value: '{"not": json' },
    { ...rest[0]!, value: Buffer.alloc(oversizedBytes, 'x') },
    { ...rest[0]!, headers: { ...rest[0]!.headers, ce_position: 'seven' } },
    { ...rest[0]!, headers: { ...rest[0]!.headers, ce_streamversion: '999' } },
    { ...rest[0]!, key: foreignKey },
  ]);
  await allApplied();
  const letters = await deadLetters(8);
  expect(letters.map(({ reason }) => reason).sort()).toEqual([
    'bad_header',
    'bad_header',
    'bad_value',
    'empty',
    'not_in_log',
    'not_ours',
    'not_ours',
    'oversized',
  ]);
  // What the unreadable messages may have been is read from the log, as their key names the stream.
  expect(await streamsComplete()).toBe(1);
  await send(rest);
  await allApplied();
});

test('what names a stream that PostgreSQL cannot hold goes to the dead letters, and the others go on', async () => {
  await liveAModel(registry, 'model');
  const own = await messagesOf(await registry.log.readAll(0, 1000));
  const { headers } = own[0]!;
  const subjected = (stream: string, changed: OutgoingMessage['headers'] = {}) => ({
    ...own[0]!,
    key: stream,
    headers: { ...headers, ce_subject: stream, ...changed },
  });
  const { seen } = project('kafka');
  await send([
    { key: 'model:default:a\u0000b', value: 'foreign', headers: {} },
    subjected('model:default:a\u0000b'),
    subjected('model:default:c', { ce_type: 'model.\u0000' }),
    subjected(`model:default:${randomBytes(10_000).toString('hex')}`),
    subjected('model:default:d', { ce_streamversion: String(2 ** 31) }),
    ...own,
  ]);
  await allApplied();
  const letters = await deadLetters(5);
  expect(letters.map(({ reason }) => reason).sort()).toEqual([
    'bad_header',
    'bad_header',
    'bad_header',
    'bad_header',
    'not_ours',
  ]);
  expect(await streamsComplete()).toBe(1);
  expect(seen.crashes).toBe(0);
});

test('a message of large headers goes to the dead letters without them, and the others go on', async () => {
  await liveAModel(registry, 'model');
  const own = await messagesOf(await registry.log.readAll(0, 1000));
  const { seen } = project('kafka');
  const large = Buffer.alloc(oversizedBytes);
  await send([{ key: 'anything', value: 'foreign', headers: { note: large } }]);
  await send([{ key: large, value: 'foreign', headers: {} }]);
  await send(own);
  await allApplied();
  expect(await deadLetters(2)).toContainEqual({ reason: 'not_ours', key: 'anything' });
  expect(seen.crashes).toBe(0);
});

test('what is compressed by snappy goes to the dead letters as it is, and the others go on', async () => {
  await liveAModel(registry, 'model');
  const { topic } = topics.modelLifecycle;
  const { seen } = project('kafka');
  await sendCompressed('snappy', topic, [{ key: 'anything', value: 'foreign' }]);
  // As it is stored, it cannot become larger than a message may be.
  const bomb = { key: 'anything', value: Buffer.alloc(8_000_000) };
  await expect(sendCompressed('gzip', topic, [bomb])).rejects.toThrow('larger than');
  await publish(await registry.log.readAll(0, 1000));
  await allApplied();
  expect(await deadLetters(1)).toEqual([{ reason: 'not_ours', key: 'anything' }]);
  expect(seen.crashes).toBe(0);
});

/** How far the partition of a stream is. */
async function positionOf(stream: string): Promise<number> {
  const partition = partitionOf(stream, topics.modelLifecycle.partitions);
  const offsets = await findOffsets(registry.pool, 1);
  return offsets.find((offset) => offset.partition === partition)!.position;
}

test('an event whose message cannot be read does not keep the position back', async () => {
  const { stream } = await liveAModel(registry, 'model');
  const events = await registry.log.readAll(0, 1000);
  const messages = await messagesOf(events);
  const last = messages.pop()!;
  project('kafka');
  const year10000 = { ...last.headers, ce_time: '+010000-01-01T00:59:59.000Z' };
  await send([...messages, { ...last, headers: year10000 }]);
  await allApplied();
  expect(await positionOf(stream)).toBe(events.at(-1)!.position);
  expect(await streamsComplete()).toBe(1);
});

test('an unreadable message counts as far as its own event, not as the newest of its stream', async () => {
  const { stream } = await liveAModel(registry, 'model');
  const events = await registry.log.readAll(0, 1000);
  const [first] = await messagesOf(events);
  project('kafka');
  await send([{ ...first!, value: 'no JSON' }]);
  await allApplied();
  expect(await positionOf(stream)).toBe(events[0]!.position);
});

test('what was not applied says nothing of how far the views are', async () => {
  const { stream } = await liveAModel(registry, 'model');
  const events = await registry.log.readAll(0, 1000);
  const messages = await messagesOf(events);
  const last = messages.at(-1)!;
  const forged = (ce_streamversion: number, ce_position: number): OutgoingMessage => ({
    ...last,
    headers: {
      ...last.headers,
      ce_streamversion: String(ce_streamversion),
      ce_position: String(ce_position),
    },
  });
  const { seen } = project('kafka');
  await send([
    messages[0]!,
    forged(100_000, 900_000_000),
    forged(100_000, 20),
    forged(1, 900_000_000),
  ]);
  await allApplied();
  expect(await positionOf(stream)).toBe(events[0]!.position);
  await send(messages);
  await allApplied();
  expect(await positionOf(stream)).toBe(events.at(-1)!.position);
  expect(seen.crashes).toBe(0);
});

test('what is in the dead letters is not put there again by who reads on after it', async () => {
  const junk: OutgoingMessage = { key: 'anything', value: 'foreign', headers: {} };
  for (let nth = 0; nth < 3; nth++) {
    const projector = project('kafka');
    await send([junk]);
    await allApplied();
    await projector.stop();
  }
  const letters = await deadLetters(3);
  expect(letters).toHaveLength(3);
});

/** Some other stream's name. */
const keyElsewhere = (stream: string): string => `${stream.slice(0, -1)}x`;

test('a stream that cannot be applied is parked, with a copy in the dead letters', async () => {
  const broken = await registry.register(registering('broken', {}, newVersion('v1')));
  await registry.record(broken, 'model.archived', {
    number: 9,
    model_id: broken.state.model!.model_id,
  });
  await registry.tell(broken, { type: 'UpdateModel', patch: { owner: 'Ada' } });
  await liveAModel(registry, 'whole');
  project('kafka');
  await publish(await registry.log.readAll(0, 1000));
  await allApplied();
  const letters = await deadLetters(2);
  expect(letters).toEqual([
    { reason: 'parked', key: broken.stream },
    { reason: 'parked', key: broken.stream },
  ]);
});

test('the source can change between log and Kafka on the same data', async () => {
  await liveAModel(registry, 'one');
  const byLog = project('log');
  await eventually(async () => (await streamsComplete()) === 1);
  await byLog.stop();
  await liveAModel(registry, 'two');
  const byKafka = project('kafka');
  await publish(await registry.log.readAll(0, 1000));
  await allApplied();
  expect(await streamsComplete()).toBe(2);
  await byKafka.stop();
  await liveAModel(registry, 'three');
  project('log');
  await eventually(async () => (await streamsComplete()) === 3);
  expect(await checkViews(registry.url)).toEqual([]);
  project('kafka');
  await liveAModel(registry, 'four');
  await publish(await registry.log.readAll(0, 1000));
  await eventually(async () => (await streamsComplete()) === 4);
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a topic that is made anew is read from its beginning', async () => {
  await liveAModel(registry, 'one');
  await liveAModel(registry, 'two');
  const events = await registry.log.readAll(0, 1000);
  const before = project('kafka');
  await publish(events);
  await publish(events);
  await allApplied();
  await before.stop();
  topics = topicsOf(topicPrefix());
  await broker.ensureTopics([topics.modelLifecycle]);
  await liveAModel(registry, 'three');
  project('kafka');
  await publish(await registry.log.readAll(0, 1000));
  await eventually(async () => (await streamsComplete()) === 3, { timeoutMs: 30_000 });
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a topic that was made anew while nobody read it is read from its beginning, also where it is as long again', async () => {
  await liveAModel(registry, 'one');
  const events = await registry.log.readAll(0, 1000);
  const earlier = events.slice(0, events.length / 2);
  const before = project('kafka');
  await publish(earlier);
  await publish(earlier);
  await eventually(isRead, { timeoutMs: 30_000 });
  await before.stop();
  topics = topicsOf(topicPrefix());
  await broker.ensureTopics([topics.modelLifecycle]);
  await publish(events);
  project('kafka');
  await eventually(async () => (await streamsComplete()) === 1, { timeoutMs: 30_000 });
  expect(await checkViews(registry.url)).toEqual([]);
});

/** A registry whose views come from Kafka, with a model `first` that has come that way. */
async function serveFromKafka(): Promise<ServedRegistry> {
  const served = await serveRegistry({
    kafka: {
      settings: {
        brokers: kafkaBrokers(),
        clientId: 'test',
        schemaRegistryUrl: null,
        topicPrefix: '',
      },
      broker,
      topics,
      codec,
      groupPrefix: topicPrefix(),
      onCrash: (error) => {
        throw error;
      },
    },
  });
  closing.push(served.stop);
  await served.post('/models', { name: 'first' });
  await eventually(async () => (await served.get('/models/first')).status === 200, {
    timeoutMs: 30_000,
  });
  return served;
}

test('a read after a write sees it, also when the event comes by Kafka', async () => {
  const served = await serveFromKafka();
  for (let nth = 0; nth < 20; nth++) {
    const made = await served.post('/models', { name: `model-${nth}` });
    const read = await served.get(`/models/model-${nth}`);
    expect(read.headers.get('x-stale')).toBeNull();
    expect(read.body).toEqual(made.body);
    expect(Number(read.headers.get('x-position'))).toBeGreaterThanOrEqual(
      Number(made.body['position']),
    );
  }
});

test('a model that has not changed is read exact while the views lack what others have written', async () => {
  const { get, post, call, holdViews } = await serveFromKafka();
  const release = await holdViews();
  const { body: second } = await post('/models', { name: 'second' });
  const read = await get('/models/first');
  expect(read.headers.get('x-stale')).toBeNull();
  expect(Number(read.headers.get('x-position'))).toBeGreaterThanOrEqual(Number(second['position']));
  await call('PATCH', '/models/first', { description: 'later' });
  const behind = await get('/models/first');
  expect([behind.headers.get('x-stale'), behind.body['description']]).toEqual(['true', null]);
  await release();
  await eventually(async () =>
    expect((await get('/models/first')).body['description']).toBe('later'),
  );
});
