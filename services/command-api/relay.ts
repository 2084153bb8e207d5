// The relay: publishes the log on Kafka, in order and at least once. One process leads, by a lease and a fence.
import { setTimeout as delay } from 'node:timers/promises';
import { assert } from '#events/decider.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { EventLog } from '#events/log.ts';
import { parseStream } from '#events/names.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { DependencyHealth } from '#infra/http/operations.ts';
import type { EventCodec } from '#infra/kafka/codec.ts';
import { pauseBefore, unlessAborted } from '#infra/kafka/deadline.ts';
import { toMessage } from '#infra/kafka/envelope.ts';
import { partitionOf } from '#infra/kafka/partition.ts';
import type { Broker, OutgoingMessage, Producer, TopicSpec } from '#infra/kafka/port.ts';
import type { Checkpoint, Lease, RelayState, SentMark } from '#infra/postgres/relay-state.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { relayMetrics } from './relay-metrics.ts';
import { comparePublished, isBehind } from './relay-topic.ts';

/** One send: enough for throughput, and what a crash publishes twice at most. */
const batchEventsMax = 500;
/** All of a send may go to one partition, as one record batch, and Kafka takes 2 MiB of those. */
const batchBytesMax = 1024 * 1024;
/** What the headers take beside the value, roughly; a long reason or actor is far below the margin that is left. */
const headerBytes = 800;
/** A leader that stops is followed by another within this time; far more than a healthy send and checkpoint take. */
const leaseMs = 5_000;
/** A new leader first looks at the topic, which may take the time limits of several requests. */
const takeOverLeaseMs = 15_000;
/** A leader with nothing to send shows this often that it lives. */
const renewalIntervalMs = 1_500;
/** A lease that has run out is noticed within this time. */
const standbyIntervalMs = 1_000;
/** A topic that is deleted while nothing happens is published again within this time. */
const topicCheckIntervalMs = 10_000;

const atTheBeginning: Checkpoint = { position: 0, event_id: null, partitions: {} };

/** What one send publishes: the messages, the newest position that each partition gets, and the last event behind them. */
type RelayBatch = {
  messages: OutgoingMessage[];
  positions: Map<number, number>;
  last: RecordedEvent;
};

type Pages = {
  /** The page beyond a position; empty where the log ends. */
  after: (position: number) => Promise<readonly RecordedEvent[]>;
  /** Begins to read that page, if the log has one, so that it is there when it is asked for. */
  readAhead: (position: number) => void;
};

type Role = 'starting' | 'standby' | 'leader' | 'stopped';

export type Relay = {
  /** Begins in the background. Kafka need not be there yet. */
  start: () => void;
  /** Ends after the send in flight and its checkpoint, and lets another process lead at once. */
  stop: () => Promise<void>;
  /** `down` with the reason in `detail` while events cannot be published from here. */
  health: () => DependencyHealth & { role: Role };
};

/** The relay of the streams of models to one topic. Several processes may each have one: one of them leads. */
export function openRelay(deps: {
  log: Pick<EventLog, 'readAll' | 'readEvent' | 'head'>;
  /** Of the same topic. */
  state: RelayState;
  follower: HeadFollower;
  broker: Broker;
  topic: TopicSpec;
  codec: EventCodec;
  registry: Registry;
  logger: Logger;
  failpoint: Failpoint;
}): Relay {
  const { log, state, follower, broker, topic, codec, failpoint } = deps;
  const logger = deps.logger.child({ service: 'relay', topic: topic.topic });
  const metrics = relayMetrics(deps.registry, state.lag, (error) =>
    logger.debug({ err: error }, 'the lag could not be asked for'),
  );
  const holder = crypto.randomUUID();
  const stopping = new AbortController();
  const { signal } = stopping;
  let role: Role = 'starting';
  let trouble: { message: string; isRefusing: boolean; isTold: boolean } | null = null;
  let relaying: Promise<void> = Promise.resolve();

  async function relay(): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await leadOnce(() => {
          attempt = 0;
          forgetTrouble();
        });
      } catch (error) {
        if (signal.aborted) break;
        tell(error as Error & { retryable?: boolean }, attempt);
      }
      await pauseBefore(attempt, signal);
    }
    role = 'stopped';
  }

  /** A log line an outage, and none for what is over at once, such as a topic that was just made; one a refusal. */
  function tell(error: Error & { retryable?: boolean }, attempt: number): void {
    const { message } = error;
    const isRefusing = error.retryable === false;
    const isTold = trouble?.isTold === true && trouble.isRefusing === isRefusing;
    metrics.refuses(isRefusing);
    if (isRefusing) {
      if (!isTold || trouble?.message !== message)
        logger.error({ err: error }, 'refusing to publish');
    } else if (!isTold && attempt > 1) {
      logger.warn({ err: error }, 'cannot publish now; trying again');
    }
    trouble = { message, isRefusing, isTold: isTold || isRefusing || attempt > 1 };
  }

  function forgetTrouble(): void {
    if (trouble?.isTold === true) logger.info({ was: trouble.message }, 'what was wrong is over');
    trouble = null;
    metrics.refuses(false);
  }

  /** Becomes the leader, and publishes until the leadership is lost or something fails. */
  async function leadOnce(onProgress: () => void): Promise<void> {
    // First, so that nobody holds the lease who cannot reach Kafka while another could.
    await unlessAborted(broker.ensureTopics([topic]), signal);
    const lease = await waitForLease();
    const { epoch } = lease;
    let producer: Producer | null = null;
    try {
      let checkpoint: Checkpoint | null = lease.checkpoint;
      const published = await comparePublished(lease, { broker, topic, log, signal, logger });
      if (published === 'made_anew') checkpoint = await beginAgain(epoch, checkpoint);
      producer = await broker.createProducer();
      role = 'leader';
      metrics.leads(true);
      // While something is wrong it is tried again and again, which is no news.
      const level = trouble === null ? 'info' : 'debug';
      logger[level]({ epoch, position: checkpoint?.position }, 'leading');
      const pages = openPages();
      let topicCheckedAt = performance.now();
      while (checkpoint !== null && !signal.aborted) {
        if (await waitBeyond(checkpoint.position)) {
          checkpoint = await publishPage(producer, pages, epoch, checkpoint);
        } else {
          if (performance.now() - topicCheckedAt > topicCheckIntervalMs) {
            topicCheckedAt = performance.now();
            const ends = await unlessAborted(broker.topicEnds(topic.topic), signal);
            if (isBehind(ends, checkpoint)) return;
          }
          checkpoint = await save(epoch, checkpoint, checkpoint);
        }
        onProgress();
      }
      if (checkpoint === null) logger.warn({ epoch }, 'no longer the leader');
    } finally {
      role = 'starting';
      metrics.leads(false);
      await Promise.all([producer?.close(), release(epoch)]);
    }
  }

  async function waitForLease(): Promise<Lease> {
    for (let waitedMs = 0; ; waitedMs += standbyIntervalMs) {
      const lease = await state.acquire(holder, takeOverLeaseMs);
      if (lease !== null) return lease;
      role = 'standby';
      // What this one refused for, another that leads for so long has not found.
      if (trouble?.isRefusing === false || waitedMs > takeOverLeaseMs) forgetTrouble();
      await delay(standbyIntervalMs, undefined, { signal });
    }
  }

  /** Waits for events beyond a position; false when it is time to renew the lease first. */
  async function waitBeyond(position: number): Promise<boolean> {
    if (follower.position() > position) return true;
    const waiting = new AbortController();
    const end = () => waiting.abort();
    const timer = setTimeout(end, renewalIntervalMs);
    signal.addEventListener('abort', end);
    try {
      await follower.beyond(position, waiting.signal);
      return true;
    } catch (error) {
      if (!waiting.signal.aborted) throw error;
      return false;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  /** The log's pages in a row. */
  function openPages(): Pages {
    let ahead: { position: number; events: Promise<RecordedEvent[]> } | null = null;
    return {
      async after(position) {
        const read = ahead?.position === position ? ahead.events : null;
        ahead = null;
        return await (read ?? log.readAll(position, batchEventsMax));
      },
      readAhead(position) {
        if (follower.position() <= position) return;
        ahead = { position, events: log.readAll(position, batchEventsMax) };
        // Told to whoever asks for the page, if anybody does.
        ahead.events.catch(() => undefined);
      },
    };
  }

  /** Publishes one page of the log, send after send. Null once another leads. */
  async function publishPage(
    producer: Producer,
    pages: Pages,
    epoch: number,
    from: Checkpoint,
  ): Promise<Checkpoint | null> {
    const events = await pages.after(from.position);
    // Also what a log that was cut says while the head's follower has not heard of it yet.
    assert(
      events.length > 0 && events.at(-1)!.position === from.position + events.length,
      `the log does not go on without a gap after position ${from.position}`,
    );
    await failpoint('relay:after-read');
    let checkpoint = from;
    for await (const batch of batchesOf(events)) {
      const partitions = await send(producer, batch, checkpoint);
      await failpoint('relay:after-send');
      if (partitions === null) return await beginAgain(epoch, checkpoint);
      const { position, id } = batch.last;
      if (position === events.at(-1)!.position) pages.readAhead(position);
      const saved = await save(epoch, checkpoint, { position, event_id: id, partitions });
      if (saved === null || signal.aborted) return saved;
      checkpoint = saved;
    }
    return checkpoint;
  }

  /** The events in sends of bounded size. What cannot be written ends them, after what stands before it. */
  async function* batchesOf(events: readonly RecordedEvent[]): AsyncGenerator<RelayBatch> {
    let batch: RelayBatch | null = null;
    let bytes = 0;
    for (const event of events) {
      let message: OutgoingMessage | null = null;
      try {
        if (isPublished(event)) message = await toMessage(event, codec);
      } catch (error) {
        if (batch !== null) yield batch;
        throw error;
      }
      const messageBytes = message === null ? 0 : (message.value?.length ?? 0) + headerBytes;
      if (batch !== null && bytes + messageBytes > batchBytesMax) {
        yield batch;
        batch = null;
        bytes = 0;
      }
      batch ??= { messages: [], positions: new Map(), last: event };
      batch.last = event;
      bytes += messageBytes;
      if (message === null) continue;
      batch.messages.push(message);
      batch.positions.set(partitionOf(event.stream, topic.partitions), event.position);
    }
    if (batch !== null) yield batch;
  }

  /** Where the last message in each partition lies now; null if the topic was made anew beneath this relay. */
  async function send(
    producer: Producer,
    { messages, positions }: RelayBatch,
    { partitions }: Checkpoint,
  ): Promise<Record<number, SentMark> | null> {
    const ranges = await producer.send(topic.topic, messages);
    metrics.sent(messages.length);
    const marks: Record<number, SentMark> = { ...partitions };
    for (const { partition, firstOffset, lastOffset } of ranges) {
      if (firstOffset <= (marks[partition]?.offset ?? -1)) return null;
      const position = positions.get(partition);
      assert(position !== undefined, `Kafka put a key to partition ${partition}, where it is not`);
      marks[partition] = { position, offset: lastOffset };
    }
    return marks;
  }

  async function save(epoch: number, from: Checkpoint, to: Checkpoint): Promise<Checkpoint | null> {
    const isSaved = await state.checkpoint({ holder, epoch, leaseMs, from: from.position, to });
    return isSaved ? to : null;
  }

  async function beginAgain(epoch: number, from: Checkpoint): Promise<Checkpoint | null> {
    logger.warn(
      { was: from.position },
      'the topic was made anew: publishing again from position 1',
    );
    return await save(epoch, from, atTheBeginning);
  }

  async function release(epoch: number): Promise<void> {
    await state
      .release(holder, epoch)
      .catch((error: unknown) => logger.debug({ err: error }, 'the lease runs out by itself'));
  }

  return {
    start: () => {
      relaying = relay();
    },
    stop: async () => {
      stopping.abort();
      await relaying;
    },
    health: () => {
      if (trouble !== null) return { status: 'down', detail: trouble.message, role };
      if (role === 'starting') return { status: 'down', detail: 'connecting to Kafka', role };
      return { status: 'up', role };
    },
  };
}

/** What tenants are and who has keys is nobody's business but the registry's. */
const isPublished = ({ stream }: RecordedEvent): boolean =>
  (parseStream(stream)?.category ?? 'tenant') !== 'tenant';
