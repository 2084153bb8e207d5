// What the topic itself says about what was published: whether it was made anew, and what lies beyond the checkpoint.
import type { EventLog } from '#events/log.ts';
import { isUuid } from '#events/names.ts';
import { unlessAborted } from '#infra/kafka/deadline.ts';
import { BrokerFailure } from '#infra/kafka/port.ts';
import type { Broker, ReceivedMessage, TopicSpec } from '#infra/kafka/port.ts';
import type { Checkpoint, Lease } from '#infra/postgres/relay-state.ts';
import type { Logger } from '#infra/telemetry/logger.ts';

/** Reading beyond the checkpoint takes about a second, and longer where Kafka has just started. */
const readDeadlineMs = 8_000;
/** Where nothing is known of a partition, its last messages are looked at: as many as one send may have had. */
const tailMessagesMax = 500;

/**
 * A history's events lie close together, as only what is of tenants is left out between them. One that has nothing within so
 * many positions before it, neither on the topic nor in the log, is somebody else's.
 */
const gapPositionsMax = 1_000;
/** The newest of the events read are kept, with room for many that are somebody else's. */
const keptEventsMax = 4_000;

/** What was published is not what the log says. Publishing on would give one stream version two meanings. */
class HistoryWentBack extends Error {
  override name = 'HistoryWentBack';
  readonly retryable = false;
  constructor(topic: string, what: string) {
    super(
      `${what}: the log's history went back, as after restoring a backup. Nothing is published until the ` +
        `topic ${topic} is deleted; then it is made and published anew from the log`,
    );
  }
}

/** An event as a message's headers name it. */
type Published = { position: number; id: string };

/**
 * Compares what was published with the log, before anything more is.
 * @returns `made_anew` if what the checkpoint tells of is not on the topic any more, so that it has to be published again
 * @throws HistoryWentBack; BrokerFailure and LogUnavailable, both retryable
 */
export async function comparePublished(
  { checkpoint, logged_event_id }: Lease,
  {
    broker,
    topic,
    log,
    signal,
    logger,
  }: {
    broker: Broker;
    topic: TopicSpec;
    log: Pick<EventLog, 'readEvent' | 'head'>;
    signal: AbortSignal;
    logger: Logger;
  },
): Promise<'as_published' | 'made_anew'> {
  const ends = await unlessAborted(broker.topicEnds(topic.topic), signal);
  if (isBehind(ends, checkpoint)) return 'made_anew';

  if (checkpoint.event_id !== logged_event_id)
    throw new HistoryWentBack(
      topic.topic,
      `event ${checkpoint.event_id} was published from position ${checkpoint.position}, ` +
        `where the log has ${logged_event_id ?? 'nothing'}`,
    );

  const beyond = await readBeyond(broker, topic, ends, checkpoint, signal);
  if (beyond.markIsGone) return 'made_anew';
  const newest = beyond.events.toSorted((one, other) => other.position - one.position);
  const head = newest.length === 0 ? 0 : (await log.head()).position;
  for (const [at, { id, position }] of newest.entries()) {
    if ((await log.readEvent(id))?.position === position) return 'as_published';
    const before = newest.slice(at + 1).find((event) => event.position < position)?.position ?? 0;
    if (position - Math.max(before, head) <= gapPositionsMax)
      throw new HistoryWentBack(
        topic.topic,
        `the topic has an event ${id} at position ${position}, which is not in the log (its head is ${head})`,
      );
    logger.warn({ event: id, position, head }, 'the topic has an event of somebody else');
  }
  return 'as_published';
}

/** Whether a partition ends before what was sent to it. */
export const isBehind = (ends: ReadonlyMap<number, number>, { partitions }: Checkpoint): boolean =>
  Object.entries(partitions).some(
    ([partition, { offset }]) => (ends.get(Number(partition)) ?? 0) <= offset,
  );

/**
 * Reads the partitions that go on beyond their mark: after a crash between send and checkpoint, or a restored backup.
 * A mark is gone if its offset holds another event: the topic was made anew and has grown past it.
 */
async function readBeyond(
  broker: Broker,
  topic: TopicSpec,
  ends: ReadonlyMap<number, number>,
  { position: publishedTo, partitions: marks }: Checkpoint,
  signal: AbortSignal,
): Promise<{ events: readonly Published[]; markIsGone: boolean }> {
  const unread = new Map(
    ends.entries().filter(([partition, end]) => end > (marks[partition]?.offset ?? -1) + 1),
  );
  const unseen = new Set(unread.keys());
  let events: Published[] = [];
  let markIsGone = false;
  if (unread.size === 0) return { events, markIsGone };

  const { promise: isRead, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => {
    // A partition may end in records that no consumer is given (of a foreign transaction): what came decides then.
    if (unseen.size === 0) return resolve();
    const what = `the end of ${topic.topic} could not be read within ${readDeadlineMs} ms`;
    reject(new BrokerFailure(what, { retryable: true }));
  };
  const deadline = setTimeout(giveUp, readDeadlineMs);
  const aborted = () => reject(signal.reason as Error);
  signal.addEventListener('abort', aborted);
  const consumer = broker.consume({
    // A name of its own: a dead process's membership would delay this one.
    groupId: `${topic.topic}.relay.${crypto.randomUUID()}`,
    topics: [topic],
    position: async (_, partition) => {
      const end = ends.get(partition) ?? 0;
      if (!unread.has(partition)) return end;
      return marks[partition]?.offset ?? Math.max(0, end - tailMessagesMax);
    },
    onBatch: async ({ partition, messages, nextOffset }) => {
      unseen.delete(partition);
      const mark = marks[partition];
      for (const message of messages) {
        const published = publishedIn(message);
        if (message.offset === mark?.offset && published?.position !== mark.position)
          markIsGone = true;
        // Beyond its mark a relay has sent nothing that lies before its checkpoint.
        if (published !== null && published.position > publishedTo) events.push(published);
      }
      if (events.length > keptEventsMax)
        events = events
          .sort((one, other) => other.position - one.position)
          .slice(0, keptEventsMax / 2);
      if (nextOffset >= (ends.get(partition) ?? 0)) unread.delete(partition);
      if (unread.size === 0) resolve();
    },
    onCrash: reject,
  });
  try {
    await isRead;
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', aborted);
    await consumer.stop();
  }
  return { events, markIsGone };
}

/** Null for what is not ours: the consumers put that to the dead letters. */
function publishedIn({ headers }: ReceivedMessage): Published | null {
  const position = Number(headers['ce_position']?.toString());
  const id = headers['ce_id']?.toString();
  if (headers['ce_source']?.toString() !== 'modelog') return null;
  return id !== undefined && isUuid(id) && Number.isSafeInteger(position) ? { position, id } : null;
}
