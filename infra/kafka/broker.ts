// The broker port on kafkajs 2.2.4, which works with Kafka 4 but is no longer maintained: only this file knows it.
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import type {
  Admin,
  Consumer as KafkajsConsumer,
  EachBatchPayload,
  Kafka,
  KafkaMessage,
  LogEntry,
  Message,
} from 'kafkajs';
import { assert } from '#events/decider.ts';
import { pauseBefore, withDeadline } from './deadline.ts';
import { partitionOf } from './partition.ts';
import { BrokerFailure } from './port.ts';
import type {
  Batch,
  Broker,
  BrokerLog,
  ConsumeOptions,
  Consumer,
  Producer,
  ReceivedMessage,
  SentRange,
  TopicPartition,
  TopicSpec,
} from './port.ts';
import { crc32c } from './crc32c.ts';
import { decodeRecord, encodeRecord } from './records.ts';
import type { RecordContext, RecordToWrite } from './records.ts';

/** A broker that does not take a connection in this time is treated as down. */
const connectionTimeoutMs = 2_000;
/** One request; well below the deadline of a send, so that a lost answer can be asked for again. */
const requestTimeoutMs = 4_000;
const sendDeadlineMs = 10_000;
const adminDeadlineMs = 15_000;
const pingDeadlineMs = 2_000;
/** Longer than the longest batch transaction takes, shorter than the 30 s in which a healed system has caught up. */
const sessionTimeoutMs = 10_000;
const heartbeatIntervalMs = 1_000;
const rebalanceTimeoutMs = 15_000;
/** How long a fetch waits at the broker for the first message; a message that comes ends the wait. */
const soonFetch = { maxWaitTimeInMs: 250, minBytes: 1 };
/** How long it waits for so many bytes where the consumer is patient. A stop waits for it too. */
const seldomFetch = { maxWaitTimeInMs: 500, minBytes: 512 * 1024 };
/** How long a stop waits for a start in progress. */
const startDeadlineMs = 2_000;
const stopDeadlineMs = 20_000;
/** Kafka's own offset is only a hint, or a bound on what comes twice, so it is written this seldom. */
const commitDelayMs = 200;
/** Limits what a compressed batch can become in memory: 32 of the largest messages. A larger one is not read. */
const decompressedBytesMax = 64 * 1024 * 1024;
/** kafkajs repeats itself while a broker is down: the same line is written once in this time. */
const logRepeatMs = 30_000;
const logLinesRememberedMax = 100;
/** About 6 s in all; then the connection is made anew, for as long as it takes. */
const retry = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 };
const retryOnce = { initialRetryTime: 100, maxRetryTime: 100, retries: 1 };

/**
 * A broker reached through kafkajs. Nothing is connected before the first call.
 *
 * Batches compressed by gzip or zstd are read; those of lz4 and snappy come as one message with a fault. A topic with a
 * `compression.type` of its own never holds such: its broker compresses anew whatever producers send.
 */
export function createBroker({
  brokers,
  clientId,
  log,
}: {
  brokers: readonly string[];
  clientId: string;
  log: BrokerLog;
}): Broker {
  mendRequestQueue();
  mendRecords();
  mendBatches();
  registerCodecs();
  const kafka = new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => logOnceInAWhile(log),
  });

  const ensureTopics = (specs: readonly TopicSpec[]) =>
    withAdmin(kafka, 'making the topics', (admin) => ensureTopicsWith(admin, specs));

  return {
    ensureTopics,
    topicEnds: (topic) =>
      withAdmin(kafka, `reading the ends of ${topic}`, async (admin) => {
        if (!(await admin.listTopics()).includes(topic)) return new Map();
        const ends = await whenSettled(() => admin.fetchTopicOffsets(topic));
        return new Map(ends.map(({ partition, offset }) => [partition, Number(offset)]));
      }),
    createProducer: () => createProducer(kafka, log),
    consume: (options) => consume(kafka, log, ensureTopics, options),
    ping: async () => {
      const admin = kafka.admin({ retry: retryOnce });
      try {
        const answer = admin.connect().then(() => admin.describeCluster());
        await withDeadline(answer, pingDeadlineMs, 'asking Kafka how it is');
      } catch (error) {
        throw failureOf('Kafka does not answer', error);
      } finally {
        disconnectInBackground(admin, log);
      }
    },
  };
}

async function withAdmin<Result>(
  kafka: Kafka,
  what: string,
  ask: (admin: Admin) => Promise<Result>,
): Promise<Result> {
  const admin = kafka.admin();
  try {
    const answer = admin.connect().then(() => ask(admin));
    return await withDeadline(answer, adminDeadlineMs, what);
  } catch (error) {
    throw failureOf(`Kafka failed ${what}`, error);
  } finally {
    // After a deadline its connection may still hang; it ends by its own timeouts.
    await withDeadline(admin.disconnect(), connectionTimeoutMs, 'disconnecting').catch(
      () => undefined,
    );
  }
}

async function ensureTopicsWith(admin: Admin, specs: readonly TopicSpec[]): Promise<void> {
  const existing = new Set(await admin.listTopics());
  const absent = specs.filter(({ topic }) => !existing.has(topic));
  if (absent.length > 0) {
    await admin.createTopics({
      // kafkajs waits for leaders, but takes a broker that has not heard of the topic yet for a failure
      waitForLeaders: false,
      topics: absent.map(({ topic, partitions, config }) => ({
        topic,
        numPartitions: partitions,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      })),
    });
  }
  const asked = { topics: specs.map(({ topic }) => topic) };
  const { topics } = await whenSettled(() => admin.fetchTopicMetadata(asked));
  for (const { topic, partitions } of specs) {
    const found = topics.find(({ name }) => name === topic)?.partitions.length;
    if (found === partitions) {
      // known is not led yet: only a leader tells its end
      await whenSettled(() => admin.fetchTopicOffsets(topic));
      continue;
    }
    throw new BrokerFailure(
      `topic ${topic} has ${found} partitions where ${partitions} are expected: a key would move to another ` +
        `partition and lose its order. Delete the topic, and it is made and published anew from the log`,
      { retryable: false },
    );
  }
}

/** Asks until every broker knows a topic that was made just now. Ends by the deadline around it at the latest. */
async function whenSettled<Result>(ask: () => Promise<Result>): Promise<Result> {
  const waiting = AbortSignal.timeout(adminDeadlineMs);
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (waiting.aborted || !unsettled.has((error as KafkajsError).type)) throw error;
      await pauseBefore(attempt, waiting);
    }
  }
}

/** Kafka's answers about a topic that is not known, or not led, everywhere yet. */
const unsettled: ReadonlySet<string | undefined> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
]);

async function createProducer(kafka: Kafka, log: BrokerLog): Promise<Producer> {
  const partitionOfMessage = new Map<Message, number>();
  const producer = kafka.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    // By default an idempotent producer retries without end.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
    createPartitioner: () => {
      const spread = kafkajs.Partitioners.DefaultPartitioner();
      return (choice) => {
        const { message, partitionMetadata } = choice;
        // The same partition that kafkajs would choose, at a fiftieth of its time.
        const partition =
          message.key === null || message.key === undefined
            ? spread(choice)
            : partitionOf(message.key, partitionMetadata.length);
        partitionOfMessage.set(choice.message, partition);
        return partition;
      };
    },
  });
  let usable = true;
  let sending = false;

  const sentRanges = (bases: readonly { partition: number; baseOffset?: string }[]) => {
    const counts = new Map<number, number>();
    for (const partition of partitionOfMessage.values())
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    return bases.map(({ partition, baseOffset }): SentRange => {
      const firstOffset = Number(baseOffset);
      assert(firstOffset >= 0, `Kafka acknowledged without an offset: ${baseOffset}`);
      return { partition, firstOffset, lastOffset: firstOffset + counts.get(partition)! - 1 };
    });
  };

  try {
    await withDeadline(producer.connect(), sendDeadlineMs, 'connecting a producer');
  } catch (error) {
    disconnectInBackground(producer, log);
    throw failureOf('no producer could be had', error);
  }
  return {
    get usable() {
      return usable;
    },
    send: async (topic, messages) => {
      // kafkajs rolls a sequence number back on an error: with a second send in flight, an acknowledged message vanishes.
      assert(!sending, 'a second send on one producer while the first is in flight');
      assert(usable, 'a send on a producer that had a rejected one');
      if (messages.length === 0) return [];
      sending = true;
      partitionOfMessage.clear();
      try {
        const sent = producer.send({
          topic,
          messages: [...messages],
          acks: -1,
          timeout: requestTimeoutMs,
        });
        return sentRanges(await withDeadline(sent, sendDeadlineMs, `sending to ${topic}`));
      } catch (error) {
        usable = false;
        disconnectInBackground(producer, log);
        // Whatever went wrong with this producer, another may succeed, unless the messages themselves were refused.
        const retryable = !refusals.has(protocolTypeOf(error));
        const failure = failureOf(`sending to ${topic} failed`, error);
        throw new BrokerFailure(failure.message, { retryable, cause: error });
      } finally {
        sending = false;
      }
    },
    close: async () => {
      usable = false;
      await withDeadline(producer.disconnect(), requestTimeoutMs, 'closing a producer').catch(
        (error: unknown) => log.debug({ err: error }, 'a producer did not close'),
      );
    },
  };
}

function consume(
  kafka: Kafka,
  log: BrokerLog,
  ensureTopics: Broker['ensureTopics'],
  { groupId, topics, onBatch, position, onCrash, partitionsAtOnce = 1, isPatient }: ConsumeOptions,
): Consumer {
  const stopping = new AbortController();
  /** Aborted with each new assignment: what was begun for the old one is void. */
  let assignment = new AbortController();
  let assigned: readonly TopicPartition[] = [];
  let joined = false;
  /** False while the positions of new partitions are looked up. */
  let placed = false;
  let pausedByCaller = false;
  let crashed = false;
  /** How often in a row Kafka could not be had. */
  let failures = 0;
  let commitTimer: NodeJS.Timeout | undefined;
  const nextOffsets = new Map<string, number>();
  const doneOffsets = new Map<string, { topic: string; partition: number; offset: string }>();
  const runningBatches = new Set<Promise<void>>();
  const keyOf = (topic: string, partition: number) => `${topic}/${partition}`;
  const byTopic = (partitions: readonly TopicPartition[]) =>
    partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] }));

  const crash = (error: unknown, what: string) => {
    if (crashed || stopping.signal.aborted) return;
    crashed = true;
    const failure = failureOf(`the consumer ${groupId} ended: ${what}`, error);
    log.error({ err: failure }, 'a consumer crashed');
    const endThenTell = async () => {
      await stop();
      onCrash(failure);
    };
    // Not awaited: this may be called by the very batch that the end waits for.
    void endThenTell();
  };

  const seek = (topic: string, partition: number, offset: number) => {
    nextOffsets.set(keyOf(topic, partition), offset);
    consumer.seek({ topic, partition, offset: String(offset) });
  };

  const read = () => {
    if (placed && !pausedByCaller && assigned.length > 0) consumer.resume(byTopic(assigned));
  };

  const leave = () => {
    assignment.abort();
    joined = false;
    assigned = [];
    nextOffsets.clear();
    doneOffsets.clear();
  };

  const join = (assignedByTopic: Record<string, number[]>) => {
    leave();
    assignment = new AbortController();
    assigned = Object.entries(assignedByTopic).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    joined = true;
    failures = 0;
    placed = position === undefined;
    log.info({ group: groupId, assigned: assigned.length }, 'a consumer joined its group');
    // Runs before the first fetch of this assignment, so nothing is read from a wrong place meanwhile.
    if (assigned.length > 0) consumer.pause(byTopic(assigned));
    if (position === undefined) read();
    else void place(position, AbortSignal.any([assignment.signal, stopping.signal]));
  };

  const place = async (ask: NonNullable<typeof position>, signal: AbortSignal) => {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const positions = await Promise.all(
          assigned.map(async (at) => ({ ...at, offset: await ask(at.topic, at.partition) })),
        );
        if (signal.aborted) return;
        for (const { topic, partition, offset } of positions) {
          seek(topic, partition, offset ?? 0);
          // The beginning is wherever the earliest record is: to be led there is no jump.
          if (offset === null) nextOffsets.delete(keyOf(topic, partition));
        }
        placed = true;
        return read();
      } catch (error) {
        if (!isRetryable(error)) return crash(error, 'no stored position could be read');
        log.warn({ err: error, group: groupId }, 'no stored position could be read; trying again');
        await pauseBefore(attempt, signal);
      }
    }
  };

  const handle = async (payload: EachBatchPayload) => {
    const { topic, partition } = payload.batch;
    const key = keyOf(topic, partition);
    const batch = batchOf(payload.batch, nextOffsets.get(key));
    for (const { fault } of batch.messages)
      if (fault !== undefined)
        log.error({ group: groupId, topic, partition, fault }, 'a batch is passed over');
    const signal = AbortSignal.any([assignment.signal, stopping.signal]);
    let sought: number | undefined;
    let lost: unknown;
    const heartbeat = async () => {
      try {
        await payload.heartbeat();
      } catch (error) {
        lost = error;
        throw error;
      }
    };
    const context = { signal, heartbeat, seek: (offset: number) => void (sought = offset) };
    for (let attempt = 1; ; attempt++) {
      if (attempt > 1 && signal.aborted) return;
      try {
        sought = undefined;
        await onBatch(batch, context);
        break;
      } catch (error) {
        // kafkajs joins the group again; the batch comes back to whoever gets its partition.
        if (lost !== undefined) throw lost;
        if (signal.aborted) return;
        if (!isRetryable(error))
          return crash(error, `a batch of ${key} at ${batch.firstOffset} failed`);
        log.warn({ err: error, topic, partition, attempt }, 'a batch failed; trying it again');
        await pauseBefore(attempt, signal);
        await heartbeat();
      }
    }
    if (sought !== undefined) return seek(topic, partition, sought);
    if (assignment.signal.aborted) return;
    payload.resolveOffset(payload.batch.lastOffset());
    nextOffsets.set(key, batch.nextOffset);
    doneOffsets.set(key, { topic, partition, offset: String(batch.nextOffset) });
    commitTimer ??= setTimeout(() => void commit(), commitDelayMs);
  };

  const commit = async () => {
    clearTimeout(commitTimer);
    commitTimer = undefined;
    const offsets = [...doneOffsets.values()];
    doneOffsets.clear();
    try {
      if (offsets.length > 0) await consumer.commitOffsets(offsets);
    } catch (error) {
      // Only what comes twice is at stake, and a later commit covers this one.
      log.debug({ err: error, group: groupId }, 'offsets were not committed');
    }
  };

  const newConsumer = (): KafkajsConsumer => {
    const one = kafka.consumer({
      groupId,
      // Begun anew by `start`, with a new consumer: on the old one's sockets listeners pile up.
      retry: { ...retry, restartOnFailure: async () => false },
      allowAutoTopicCreation: false,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatIntervalMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      ...(isPatient ? seldomFetch : soonFetch),
    });
    one.on(one.events.GROUP_JOIN, ({ payload }) => join(payload.memberAssignment));
    one.on(one.events.STOP, leave);
    one.on(one.events.CRASH, ({ payload }) => {
      if (fail(payload.error)) started = start();
    });
    return one;
  };

  /** Says whether to try again. */
  const fail = (error: unknown): boolean => {
    if (stopping.signal.aborted) return false;
    if (!isRetryable(error)) {
      crash(error, 'Kafka refused it');
      return false;
    }
    failures++;
    log.warn({ err: error, group: groupId }, 'a consumer has no Kafka; trying again');
    return true;
  };

  const start = async () => {
    for (;;) {
      if (failures > 0) await pauseBefore(failures, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        await ensureTopics(topics);
        if (stopping.signal.aborted) return;
        if (failures > 0) consumer = newConsumer();
        await run();
        // The stop came in between, when there was nothing yet that it could end.
        if (stopping.signal.aborted) await consumer.disconnect();
        return;
      } catch (error) {
        disconnectInBackground(consumer, log);
        if (!fail(error)) return;
      }
    }
  };

  const run = async () => {
    await consumer.connect();
    await consumer.subscribe({ topics: topics.map(({ topic }) => topic), fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitionsAtOnce,
      eachBatch: async (payload) => {
        if (stopping.signal.aborted || pausedByCaller) return;
        const running = handle(payload);
        runningBatches.add(running);
        await running.finally(() => runningBatches.delete(running));
      },
    });
  };

  const end = async () => {
    stopping.abort();
    await Promise.allSettled(runningBatches);
    // Before the group is left, as only a member may commit.
    await commit();
    await consumer.disconnect();
    // A start that hangs on a Kafka that is away ends by itself, later.
    await withDeadline(started, startDeadlineMs, 'ending the start').catch((error: unknown) =>
      log.debug({ err: error, group: groupId }, 'a consumer stopped while it started'),
    );
  };
  let ended: Promise<void> | undefined;
  const stop = () =>
    (ended ??= withDeadline(end(), stopDeadlineMs, `stopping the consumer ${groupId}`).catch(
      (error: unknown) =>
        log.warn({ err: error, group: groupId }, 'a consumer did not stop cleanly'),
    ));

  let consumer = newConsumer();
  let started = start();
  return {
    get state() {
      if (crashed) return 'crashed';
      if (stopping.signal.aborted) return 'stopped';
      if (!joined) return 'connecting';
      return pausedByCaller ? 'paused' : 'running';
    },
    get running() {
      return joined && !crashed && !stopping.signal.aborted;
    },
    assigned: () => assigned,
    pause: () => {
      pausedByCaller = true;
      if (assigned.length > 0) consumer.pause(byTopic(assigned));
    },
    resume: () => {
      pausedByCaller = false;
      read();
    },
    stop,
  };
}

function batchOf(batch: EachBatchPayload['batch'], expectedOffset: number | undefined): Batch {
  // Not in its types, but in every batch: the offset that the fetch asked for.
  const { fetchedOffset } = batch as typeof batch & { fetchedOffset: string };
  const firstOffset = Number(fetchedOffset);
  return {
    topic: batch.topic,
    partition: batch.partition,
    firstOffset,
    nextOffset: Number(batch.lastOffset()) + 1,
    jumped: expectedOffset !== undefined && expectedOffset !== firstOffset,
    messages: batch.messages.map(received),
    highWatermark: Number(batch.highWatermark),
  };
}

function received(message: KafkaMessage & { fault?: string }): ReceivedMessage {
  const { offset, key, value, headers, timestamp, fault } = message;
  const plain: Record<string, Buffer> = {};
  for (const name in headers) {
    const given = headers[name];
    const last = Array.isArray(given) ? given.at(-1) : given;
    if (last !== undefined && last !== null) plain[name] = last as Buffer;
  }
  const timestampMs = Number(timestamp);
  const read = { offset: Number(offset), key, value, headers: plain, timestampMs };
  return fault === undefined ? read : { ...read, fault };
}

const disconnectInBackground = (
  client: { disconnect: () => Promise<void> },
  log: BrokerLog,
): void => {
  client.disconnect().catch((error: unknown) => log.debug({ err: error }, 'a disconnect failed'));
};

type KafkajsError = Error & { retriable?: boolean; retryable?: boolean; type?: string };

/** Whether the same again may succeed: what the cause at the bottom says, as kafkajs wraps it in layers. */
function isRetryable(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { retriable, retryable, name } = at as KafkajsError;
    if (retryable !== undefined) return retryable;
    if (name === 'KafkaJSNotImplemented') return false;
    if (retriable === true || name === 'KafkaJSNumberOfRetriesExceeded') return true;
  }
  return false;
}

/** Kafka's answers to a send that it will repeat for ever. */
const refusals: ReadonlySet<string | undefined> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
]);

function protocolTypeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { type } = at as KafkajsError;
    if (type !== undefined) return type;
  }
  return undefined;
}

function failureOf(what: string, cause: unknown): BrokerFailure {
  if (cause instanceof BrokerFailure) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BrokerFailure(`${what}: ${reason}`, { retryable: isRetryable(cause), cause });
}

/** kafkajs tells as an error what it then retries: for us that is a warning, and its news are details. */
function logOnceInAWhile(log: BrokerLog): (entry: LogEntry) => void {
  const writtenAt = new Map<string, number>();
  return ({ level, namespace, log: { message, broker, groupId, topic, error } }) => {
    const facts = { namespace, broker, groupId, topic, error };
    const important = level === kafkajs.logLevel.ERROR || level === kafkajs.logLevel.WARN;
    if (!important) return log.debug(facts, message);
    // Said of every producer with a bound; what it warns of is why a producer is thrown away after a rejection.
    if (message.startsWith('Limiting retries for the idempotent producer')) return;
    const now = performance.now();
    const last = writtenAt.get(message);
    if (last !== undefined && now - last < logRepeatMs) return;
    if (writtenAt.size >= logLinesRememberedMax) writtenAt.clear();
    writtenAt.set(message, now);
    log.warn(facts, message);
  };
}

/** Node has zstd, and kafkajs's gzip has no bound; kafkajs asks for codecs in one table of the process. */
function registerCodecs(): void {
  const { GZIP, ZSTD } = kafkajs.CompressionTypes;
  const options = { maxOutputLength: decompressedBytesMax };
  for (const [type, compress, decompress] of [
    [GZIP, promisify<Buffer, Buffer>(gzip), promisify(gunzip)],
    [ZSTD, promisify<Buffer, Buffer>(zstdCompress), promisify(zstdDecompress)],
  ] as const) {
    kafkajs.CompressionCodecs[type] = () => ({
      compress: ({ buffer }: { buffer: Buffer }) => compress(buffer),
      decompress: (buffer: Buffer) => decompress(buffer, options),
    });
  }
}

type RequestQueue = {
  mended?: true;
  pending: readonly unknown[];
  scheduleCheckPendingRequests: () => void;
};

/**
 * kafkajs looks for waiting requests by a timer that arms itself again every millisecond, also where none waits, on each
 * connection (and its negative delay makes Node print a TimeoutNegativeWarning). Only a request that was made to wait needs
 * it, and that one arms it itself.
 */
function mendRequestQueue(): void {
  const load = createRequire(import.meta.url);
  const { prototype } = load('kafkajs/src/network/requestQueue/index.js') as {
    prototype: RequestQueue;
  };
  if (prototype.mended) return;
  const schedule = prototype.scheduleCheckPendingRequests;
  assert(typeof schedule === 'function', 'kafkajs has another request queue than 2.2.4');
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
  prototype.mended = true;
}

/**
 * kafkajs's ways to write, read and sum up records take more time than all else that becomes of an event. It loads them with the
 * first request that needs them, and finds ours then.
 */
function mendRecords(): void {
  const load = createRequire(import.meta.url);
  const replace = (module: string, ours: unknown): void => {
    load(module);
    load.cache[load.resolve(module)]!.exports = ours;
  };
  replace('kafkajs/src/protocol/recordBatch/record/v0/index.js', (record: RecordToWrite) => {
    const buffer = encodeRecord(record);
    // As much of its encoder as is asked of it.
    return { buf: buffer, buffer };
  });
  replace(
    'kafkajs/src/protocol/recordBatch/record/v0/decoder.js',
    ({ buffer }: { buffer: Buffer }, context: RecordContext) => decodeRecord(buffer, context),
  );
  replace('kafkajs/src/protocol/recordBatch/crc32C/index.js', crc32c);
}

/** Where a batch is read from, as kafkajs has it. */
type BatchSource = { buffer: Buffer; offset: number };
type BatchDecoder = ((source: BatchSource) => Promise<object>) & { mended?: true };

/** Where these lie in a batch. */
const lastOffsetDeltaAt = 23;
const maxTimestampAt = 35;

/** A batch that cannot be unpacked would be fetched and end the consumer for ever: one message stands for it that says why. */
function mendBatches(): void {
  const load = createRequire(import.meta.url);
  const module = 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
  const decode = load(module) as BatchDecoder;
  if (decode.mended) return;
  const mended: BatchDecoder = async (source) => {
    const begin = source.offset;
    try {
      return await decode(source);
    } catch (error) {
      // The end of an answer, which comes whole with the next fetch.
      if (error instanceof kafkajs.KafkaJSError && error.name === 'KafkaJSPartialMessageError')
        throw error;
      return { records: [faultyRecord(source.buffer.subarray(begin), error)] };
    }
  };
  mended.mended = true;
  load.cache[load.resolve(module)]!.exports = mended;
}

function faultyRecord(batch: Buffer, error: unknown): object {
  const firstOffset = batch.readBigInt64BE(0);
  const lastOffset = firstOffset + BigInt(batch.readInt32BE(lastOffsetDeltaAt));
  const why = error instanceof Error ? error.message : String(error);
  return {
    offset: String(lastOffset),
    timestamp: String(batch.readBigInt64BE(maxTimestampAt)),
    key: null,
    value: null,
    headers: {},
    batchContext: {},
    fault: `its batch, offsets ${firstOffset} to ${lastOffset}, cannot be unpacked: ${why}`,
  };
}
