// Projects from Kafka: the group shares the partitions, the checkpoint in the database decides where each goes on.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog } from '#events/log.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { parseStream } from '#events/names.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { EventCodec } from '#infra/kafka/codec.ts';
import { deadLetterOf } from '#infra/kafka/dead-letter.ts';
import { fromMessage } from '#infra/kafka/envelope.ts';
import { partitionOf } from '#infra/kafka/partition.ts';
import { BrokerFailure } from '#infra/kafka/port.ts';
import type {
  Batch,
  BatchContext,
  Broker,
  OutgoingMessage,
  ReceivedMessage,
} from '#infra/kafka/port.ts';
import { firstOffsetOf, isMadeAnew, markOf, withoutMarked } from '#infra/kafka/reading-on.ts';
import type { Topics } from '#infra/kafka/topics.ts';
import { UndecodableMessage } from '#infra/kafka/undecodable.ts';
import { isTransient } from '#infra/postgres/connect.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import { shownModel } from './answers.ts';
import { openApplier } from './apply.ts';
import type { Applied, Applier } from './apply.ts';
import { openDeadLetters } from './dead-letters.ts';
import { advance, claim, ClaimLost, findServing, targetOf } from './generations.ts';
import type { Checkpoint, Claim } from './generations.ts';
import type { Observer, Projection } from './projection.ts';
import { isTableGone } from './reader.ts';
import type { View } from './views/view.ts';
import type { Writer } from './writer.ts';

/** Longer batches are applied in parts, with a sign of life to the group between them. */
const chunkMessagesMax = 1_000;
/** One transaction takes the parts of all partitions that wait, up to so many messages. */
const transactionMessagesMax = 2_000;

/** A message that says nothing which can be applied, and why. */
type Unread = {
  message: ReceivedMessage;
  event?: undefined;
  fault: { reason: string; explanation: string };
};
type Read = { message: ReceivedMessage; event: RecordedEvent; fault?: undefined } | Unread;

type KeyedMessage = { stream: string; message: ReceivedMessage };

/** What one transaction takes of one partition. */
type Part = { batch: Batch; messages: readonly ReceivedMessage[]; nextOffset: number };
type WaitingPart = Part & { resolve: () => void; reject: (error: unknown) => void };

/** Joins the group in the background. `onCrash` is called once if the consumer ends by itself. */
export function projectFromKafka(options: {
  broker: Broker;
  topics: Topics;
  codec: EventCodec;
  groupId: string;
  log: Pick<EventLog, 'readStream' | 'lookUp' | 'head'>;
  writer: Writer;
  views: readonly View[];
  owner: string;
  failpoint: Failpoint;
  observer: Observer;
  onCrash: (error: BrokerFailure) => void;
  logger: Logger;
}): Projection {
  const { broker, codec, log, writer, views, owner, failpoint, observer } = options;
  const topic = options.topics.modelLifecycle;
  const letters = openDeadLetters(broker, options.topics.deadLetters(topic, options.groupId));
  const logger = options.logger.child({ group: options.groupId });
  /** What this process may write now; begun anew whenever it learns that somebody else wrote. */
  let session: Promise<{ generation: number; applier: Applier }> | null = null;
  const claims = new Map<number, Claim>();
  /** How far the log is at least. */
  let headSeen = 0;
  /** Parts that the next transaction takes; one is under way at a time. */
  const waiting: WaitingPart[] = [];
  let applying: Promise<void> | null = null;
  /** Of what is committed already: no more is applied before they are sent, as nothing would make them again. */
  let unsent: readonly OutgoingMessage[] = [];

  async function openSession(): Promise<{ generation: number; applier: Applier }> {
    const serving = await findServing(writer);
    const target = targetOf(serving, views);
    observer.serving(serving);
    const { readStream } = log;
    return {
      generation: target.generation,
      applier: openApplier({ target, writer, readStream, failpoint }),
    };
  }

  function endSession(): void {
    session = null;
    claims.clear();
  }

  /** One at a time: a claim forgets rows, which a batch under way goes by. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = last.then(work, work);
    last = result.catch(() => undefined);
    return result;
  }

  const claimPartition = (partition: number): Promise<Claim> =>
    inTurn(async () => {
      const { generation, applier } = await (session ??= openSession());
      const held = await claim(writer, generation, partition, owner);
      // Another process may have written this partition's rows since they were read here.
      applier.forget();
      claims.set(partition, held);
      return held;
    });

  /** What goes wrong with the database is tried again for ever, but for what is a bug. */
  async function retryably<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      endSession();
      if (error instanceof ClaimLost || error instanceof BrokerFailure) throw error;
      const { retryable } = error as { retryable?: boolean };
      throw new BrokerFailure('a batch could not be applied', {
        retryable: retryable ?? (isTransient(error) || isTableGone(error)),
        cause: error,
      });
    }
  }

  async function onBatch(batch: Batch, context: BatchContext): Promise<void> {
    const held = claims.get(batch.partition) ?? (await claimPartition(batch.partition));
    if (!batch.jumped && held.nextOffset !== null) {
      if (batch.firstOffset > held.nextOffset) return context.seek(firstOffsetOf(held)!);
      if (isMadeAnew(batch, held)) {
        logger.warn({ partition: batch.partition }, 'the topic was made anew; it is read again');
        claims.set(batch.partition, { ...held, nextOffset: null, mark: null });
        return context.seek(0);
      }
    }
    const messages = withoutMarked(batch, held);
    for (let at = 0; at < messages.length; at += chunkMessagesMax) {
      if (at > 0) await context.heartbeat();
      const chunk = messages.slice(at, at + chunkMessagesMax);
      const isLast = at + chunkMessagesMax >= messages.length;
      const nextOffset = isLast ? batch.nextOffset : chunk.at(-1)!.offset + 1;
      await applySoon({ batch, messages: chunk, nextOffset });
    }
  }

  /** A fetch brings all partitions at once: a transaction for each would cost most of the time that it takes. */
  function applySoon(part: Part): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.push({ ...part, resolve, reject });
    applying ??= applyWaiting().finally(() => (applying = null));
    return promise;
  }

  async function applyWaiting(): Promise<void> {
    // The partitions of a fetch are handed over one after the other, in one turn of the event loop.
    await nextTurn();
    while (waiting.length > 0) {
      const parts = [waiting.shift()!];
      let count = parts[0]!.messages.length;
      while (waiting.length > 0) {
        count += waiting[0]!.messages.length;
        if (count > transactionMessagesMax) break;
        parts.push(waiting.shift()!);
      }
      try {
        await inTurn(() => applyTogether(parts));
        for (const { resolve } of parts) resolve();
      } catch (error) {
        for (const { reject } of parts) reject(error);
      }
    }
  }

  async function applyTogether(parts: readonly Part[]): Promise<void> {
    const startedAt = performance.now();
    await sendLetters();
    const { generation, applier } = await (session ??= openSession());
    const pieces = await Promise.all(parts.map(readPart));
    for (const { batch, unread } of pieces) await rejectUnread(batch, unread);
    const claimed = pieces.map((piece) => {
      const held = claims.get(piece.batch.partition);
      // Its batch was looked at by a claim that is void by now, and begins anew.
      if (held?.generation !== generation)
        throw new ClaimLost(`the claim on partition ${piece.batch.partition} was given up`);
      return { ...piece, held };
    });
    const events = pieces.flatMap(({ own, newest }) => [...own, ...newest]);
    const head = await headFor(events);
    const moveOf = (piece: (typeof claimed)[number], unexplained: ReadonlySet<RecordedEvent>) => {
      const { batch, messages, nextOffset, own, meant, held } = piece;
      const positions = [...own, ...meant]
        .filter((event) => event.position <= head && !unexplained.has(event))
        .map((event) => event.position);
      const position = Math.max(held.position, ...positions);
      const isBehind = !batch.jumped && nextOffset < (held.nextOffset ?? 0);
      const to: Checkpoint = isBehind
        ? { position, nextOffset: held.nextOffset, mark: held.mark }
        : { position, nextOffset, mark: markOf(messages.at(-1)!) };
      return { held, to };
    };
    let moves: ReturnType<typeof moveOf>[] = [];
    const { models, ...applied } = await applier.apply(events, (transaction, unexplained) => {
      const left = new Set(unexplained);
      moves = claimed.map((piece) => moveOf(piece, left));
      return advance(transaction, moves);
    });
    for (const { held, to } of moves) claims.set(held.partition, { ...held, ...to });
    unsent = pieces.flatMap(({ batch, read }) => lettersOf(applied, read, batch));
    const count = pieces.reduce((sum, { own }) => sum + own.length, 0);
    observer.changed(models.map(shownModel));
    observer.applied(count, performance.now() - startedAt, applied);
    await sendLetters();
  }

  /** How far the log is, as far as these events ask: what a foreign message says of a position beyond it is not so. */
  async function headFor(events: readonly RecordedEvent[]): Promise<number> {
    if (events.some(({ position }) => position > headSeen)) headSeen = (await log.head()).position;
    return headSeen;
  }

  async function sendLetters(): Promise<void> {
    await letters.send(unsent);
    unsent = [];
  }

  async function readPart(part: Part) {
    const { batch, messages } = part;
    const read = await Promise.all(
      messages.map((message) => readMessage(message, batch.partition)),
    );
    const unread = read.filter((one) => one.fault !== undefined);
    const own = read.flatMap(({ event }) => event ?? []);
    const ours = ofOurStreams(unread, batch.partition);
    return { ...part, read, unread, own, ...(await foundInLog(ours)) };
  }

  async function rejectUnread(batch: Batch, unread: readonly Unread[]): Promise<void> {
    if (unread.length === 0) return;
    await letters.send(
      unread.map(({ message, fault }) =>
        deadLetterOf(message, batch, fault.reason, fault.explanation),
      ),
    );
    logger.warn({ partition: batch.partition, messages: unread.length }, 'messages were not ours');
  }

  async function readMessage(message: ReceivedMessage, partition: number): Promise<Read> {
    try {
      const event = await fromMessage(message, codec);
      // Rows belong to a stream's partition; written from another one they would have two writers.
      if (partitionOf(event.stream, topic.partitions) !== partition)
        return faulty(message, 'wrong_partition', `${event.stream} belongs to another partition`);
      return { message, event };
    } catch (error) {
      if (!(error instanceof UndecodableMessage)) throw error;
      return faulty(message, error.reason, error.message);
    }
  }

  /** Unreadable messages by the streams that their keys name, where these are published here. */
  function ofOurStreams(unread: readonly Unread[], partition: number): KeyedMessage[] {
    return unread.flatMap(({ message }) => {
      const stream = message.key?.toString() ?? '';
      const isPublished = (parseStream(stream)?.category ?? 'tenant') !== 'tenant';
      const isHere = isPublished && partitionOf(stream, topic.partitions) === partition;
      return isHere ? [{ stream, message }] : [];
    });
  }

  /**
   * An unreadable message may have been an event of the stream that its key names: the log has it, so the `newest` event of
   * such a stream is applied, and what is missing before it with it. What it `meant` says how far the partition has been
   * read: others of the partition may lie before the newest and still be to come.
   */
  async function foundInLog(
    ours: readonly KeyedMessage[],
  ): Promise<{ newest: RecordedEvent[]; meant: RecordedEvent[] }> {
    const newest: RecordedEvent[] = [];
    const meant: RecordedEvent[] = [];
    if (ours.length === 0) return { newest, meant };
    const { versions } = await log.lookUp([...new Set(ours.map(({ stream }) => stream))], []);
    for (const [stream, version] of versions)
      if (version > 0) newest.push(...(await log.readStream(stream, version - 1, 1)));
    for (const { stream, message } of ours) {
      const version = Number(message.headers['ce_streamversion']?.toString());
      if (!Number.isInteger(version) || version < 1 || version > versions.get(stream)!) continue;
      const events = await log.readStream(stream, version - 1, 1);
      const id = message.headers['ce_id']?.toString();
      meant.push(...events.filter((event) => event.id === id));
    }
    return { newest, meant };
  }

  /** Copies for people: what waits parked is kept in the database, what no log explains only here. */
  function lettersOf(applied: Applied, read: readonly Read[], batch: Batch): OutgoingMessage[] {
    if (applied.waiting.length === 0 && applied.unexplained.length === 0) return [];
    const reasons = new Map<RecordedEvent, { reason: string; explanation: string }>();
    for (const event of applied.waiting)
      reasons.set(event, { reason: 'parked', explanation: 'an earlier event of its stream waits' });
    for (const { event, reason } of applied.parked)
      reasons.set(event, { reason: 'parked', explanation: reason });
    for (const event of applied.unexplained)
      reasons.set(event, { reason: 'not_in_log', explanation: 'the log has no events before it' });
    return read.flatMap(({ message, event }) => {
      const because = event && reasons.get(event);
      return because ? [deadLetterOf(message, batch, because.reason, because.explanation)] : [];
    });
  }

  const consumer = broker.consume({
    groupId: options.groupId,
    topics: [topic],
    position: (_, partition) =>
      retryably(async () => firstOffsetOf(await claimPartition(partition))),
    onBatch: (batch, context) => retryably(() => onBatch(batch, context)),
    onCrash: options.onCrash,
    partitionsAtOnce: topic.partitions,
  });

  return {
    get state() {
      const { state } = consumer;
      if (state === 'crashed') return 'failing';
      return state === 'paused' ? 'running' : state;
    },
    stop: async () => {
      await consumer.stop();
      await letters.close();
    },
  };
}

const faulty = (message: ReceivedMessage, reason: string, explanation: string): Unread => ({
  message,
  fault: { reason, explanation },
});
