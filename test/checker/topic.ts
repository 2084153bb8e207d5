// Holds the lifecycle topic against the log (I7): per stream, first occurrences are 1..n in order, and nothing is extra.
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { RecordedEvent } from '#events/envelope.ts';
import { pageEventsMax } from '#events/log.ts';
import { createBroker } from '#infra/kafka/broker.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import type { EventCodec } from '#infra/kafka/codec.ts';
import { fromMessage } from '#infra/kafka/envelope.ts';
import { partitionOf } from '#infra/kafka/partition.ts';
import type { ReceivedMessage, TopicSpec } from '#infra/kafka/port.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { UndecodableMessage } from '#infra/kafka/undecodable.ts';

/** A topic of a test is read in seconds; a longer wait is a fault of the reading. */
const readTimeoutMs = 30_000;

export type TopicViolation = {
  invariant: 'I7';
  /** The stream, or the place on the topic of what belongs to none. */
  where: string;
  what: string;
};

/** A message with the partition it lies in. */
export type TopicMessage = ReceivedMessage & { partition: number };

/**
 * Reads the whole topic and the whole log, and compares. Repeated messages are no violation where they repeat the log.
 * To be called when the relay has caught up: what is not there yet is a violation.
 */
export async function checkTopic({
  databaseUrl,
  brokers,
  topic,
  codec = jsonCodec(),
}: {
  databaseUrl: string;
  brokers: readonly string[];
  topic: TopicSpec;
  codec?: EventCodec;
}): Promise<TopicViolation[]> {
  const [events, messages] = await Promise.all([readLog(databaseUrl), readTopic(brokers, topic)]);
  return await topicViolations(events, messages, topic.partitions, codec);
}

/** The rule itself. The messages of a partition stand in the order of their offsets. */
export async function topicViolations(
  events: readonly RecordedEvent[],
  messages: readonly TopicMessage[],
  partitions: number,
  codec: EventCodec,
): Promise<TopicViolation[]> {
  const violations: TopicViolation[] = [];
  const tell = (where: string, what: string) => violations.push({ invariant: 'I7', where, what });

  const logged = new Map<string, RecordedEvent[]>();
  for (const event of events) {
    if (event.stream.startsWith('tenant:')) continue;
    const stream = logged.get(event.stream) ?? [];
    stream.push(event);
    logged.set(event.stream, stream);
  }

  const seen = new Map<string, number>();
  for (const message of messages) {
    const at = `partition ${message.partition} offset ${message.offset}`;
    let event: RecordedEvent;
    try {
      event = await fromMessage(message, codec);
    } catch (error) {
      if (!(error instanceof UndecodableMessage)) throw error;
      tell(at, `extra: ${error.message}`);
      continue;
    }
    const { stream, stream_version: version } = event;
    const original = logged.get(stream)?.[version - 1];
    if (original === undefined) {
      tell(stream, `extra: version ${version} at ${at} is not in the log`);
      continue;
    }
    if (!isDeepStrictEqual(event, original))
      tell(stream, `version ${version} at ${at} is not as in the log`);
    if (message.partition !== partitionOf(stream, partitions))
      tell(stream, `version ${version} at ${at} is in another partition than its key`);
    const before = seen.get(stream) ?? 0;
    if (version > before + 1)
      tell(stream, `version ${version} at ${at} comes right after version ${before}`);
    seen.set(stream, Math.max(before, version));
  }

  for (const [stream, { length }] of logged) {
    const newest = seen.get(stream) ?? 0;
    if (newest < length)
      tell(stream, `missing: the log goes on to version ${length}, the topic to ${newest}`);
  }
  return violations;
}

/** The log from its beginning to its head. */
export async function readLog(databaseUrl: string): Promise<RecordedEvent[]> {
  const fail = (error: Error): never => {
    throw error;
  };
  const pool = openPool({
    url: databaseUrl,
    name: 'modelog-checker',
    role: 'modelog_service',
    size: 1,
    onError: fail,
  });
  const log = openPostgresLog({
    url: databaseUrl,
    pool,
    failpoint: () => undefined,
    onError: fail,
  });
  try {
    const events: RecordedEvent[] = [];
    for (;;) {
      const page = await log.readAll(events.length, pageEventsMax);
      if (page.length === 0) return events;
      events.push(...page);
    }
  } finally {
    await log.close();
    await pool.end();
  }
}

/** Every message up to the ends that the topic had when it was called. */
export async function readTopic(
  brokers: readonly string[],
  topic: TopicSpec,
): Promise<TopicMessage[]> {
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const broker = createBroker({ brokers, clientId: 'checker', log: silent });
  const ends = await broker.topicEnds(topic.topic);
  const unread = new Set([...ends].filter(([, end]) => end > 0).map(([partition]) => partition));
  const messages: TopicMessage[] = [];
  if (unread.size === 0) return messages;
  const { promise: isRead, resolve, reject } = Promise.withResolvers<void>();
  const consumer = broker.consume({
    groupId: `${topic.topic}.checker.${randomUUID()}`,
    topics: [topic],
    position: async () => null,
    onBatch: async (batch) => {
      const { partition } = batch;
      for (const message of batch.messages) messages.push({ ...message, partition });
      if (batch.nextOffset >= ends.get(partition)!) unread.delete(partition);
      if (unread.size === 0) resolve();
    },
    onCrash: reject,
  });
  const timer = setTimeout(
    () => reject(new Error(`partitions ${[...unread].join()} of ${topic.topic} were not read`)),
    readTimeoutMs,
  );
  try {
    await isRead;
  } finally {
    clearTimeout(timer);
    await consumer.stop();
  }
  return messages;
}
