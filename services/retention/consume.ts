// Feeds the due times: with what the log holds, or with what the lifecycle topic brings. Reading twice changes nothing.
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { isOrdinaryTime } from '#events/days.ts';
import { parseStream } from '#events/names.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import type { ReceivedMessage } from '#infra/kafka/port.ts';
import { firstOffsetOf, isMadeAnew, markOf, withoutMarked } from '#infra/kafka/reading-on.ts';
import type { ReadTo } from '#infra/kafka/reading-on.ts';
import type { DueTimes, NotedEvent } from './due-times.ts';

/** Only three columns of an event are read, so a page may be long. */
const pageEventsMax = 5_000;
/** Due times are days away: nobody waits for these events, and seldom pages are cheap ones. */
const pollIntervalMs = 1_000;
const retryDelayMsMax = 5_000;
const retryDelayMsFirst = 250;

const retentionGroup = 'retention';
const beginning: ReadTo = { nextOffset: null, mark: null };

/** How far the events read are behind those there are. */
export type Lag = { events: number; seconds: number };

export type Intake = {
  lag: () => Lag;
  /** What a person reads in `/health`. */
  state: () => string;
  stop: () => Promise<void>;
};

type EventRow = NotedEvent & { position: string; head: string; head_seconds: string };

const pageStatement = `
select e.position, e.stream, e.type, to_char(e.recorded_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as recorded_at,
       h.position as head, extract(epoch from h.recorded_at - e.recorded_at) as head_seconds
from log.log_head h
left join lateral (
  select position, stream, type, recorded_at from log.events where position > $1 order by position limit $2
) e on true`;

/** Reads the log page by page, from where it was last written down that it had been read to. */
export function consumeLog(options: {
  pool: Pool;
  dueTimes: DueTimes;
  onError: (error: unknown) => void;
  /** The history that was read is not the one there is. */
  onReadAgain: () => void;
}): Intake {
  const { pool, dueTimes, onError, onReadAgain } = options;
  const source = 'log';
  const stopping = new AbortController();
  const { signal } = stopping;
  const lag: Lag = { events: 0, seconds: 0 };
  let state = 'starting';

  async function readFrom(position: number): Promise<void> {
    for (let read = position; !signal.aborted;) {
      const { rows } = await pool.query<{ [Column in keyof EventRow]: EventRow[Column] | null }>({
        name: 'page_of_due_events',
        text: pageStatement,
        values: [read, pageEventsMax],
      });
      const head = Number(rows[0]!.head);
      // A restored backup: what was read of the lost history may be wrong, and reading twice is harmless.
      if (head < read) {
        onReadAgain();
        read = 0;
      }
      const events = rows.filter((row): row is EventRow => row.position !== null);
      const last = events.at(-1);
      if (last !== undefined) {
        read = Number(last.position);
        await dueTimes.note(source, events, { next: read, mark: null });
      }
      lag.events = head - read;
      lag.seconds = lag.events > 0 ? Number(last?.head_seconds ?? 0) : 0;
      state = 'following the log';
      if (events.length < pageEventsMax) await delay(pollIntervalMs, undefined, { signal });
    }
  }

  async function follow(): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await readFrom((await dueTimes.checkpoint(source)).next);
      } catch (error) {
        if (signal.aborted) return;
        state = 'waiting for PostgreSQL';
        onError(error);
        const pauseMs = Math.min(retryDelayMsFirst * 2 ** Math.min(attempt, 8), retryDelayMsMax);
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  const following = follow();
  return {
    lag: () => lag,
    state: () => state,
    stop: async () => {
      stopping.abort();
      await following;
    },
  };
}

/**
 * Reads the lifecycle topic as a member of the group `retention`; the stored offsets decide where to go on.
 * @param onReadAgain told of a partition whose topic was made anew
 */
export function consumeTopic(
  { broker, topics, groupPrefix, onCrash }: Omit<Kafka, 'codec' | 'settings'>,
  dueTimes: DueTimes,
  onReadAgain: (partition: number) => void,
): Intake {
  const topic = topics.modelLifecycle;
  const lags = new Map<number, Lag>();
  /** How far each partition was read, also where that is not written down yet. */
  const reads = new Map<number, ReadTo>();
  const sourceOf = (name: string, partition: number) => `${name}/${partition}`;
  const consumer = broker.consume({
    groupId: `${groupPrefix}${retentionGroup}`,
    topics: [topic],
    position: async (name, partition) => {
      const { next, mark } = await dueTimes.checkpoint(sourceOf(name, partition));
      const to = next === 0 ? beginning : { nextOffset: next, mark };
      reads.set(partition, to);
      return firstOffsetOf(to);
    },
    onBatch: async (batch, context) => {
      const to = reads.get(batch.partition) ?? beginning;
      if (!batch.jumped && isMadeAnew(batch, to)) {
        onReadAgain(batch.partition);
        reads.set(batch.partition, beginning);
        return context.seek(0);
      }
      const source = sourceOf(batch.topic, batch.partition);
      const noted = withoutMarked(batch, to).flatMap(notedEventOf);
      const next = batch.nextOffset;
      const mark = markOf(batch.messages.at(-1)!);
      await dueTimes.note(source, noted, { next, mark });
      reads.set(batch.partition, { nextOffset: next, mark });
      const events = batch.highWatermark - batch.nextOffset;
      const lastMs = batch.messages.at(-1)!.timestampMs;
      lags.set(batch.partition, {
        events,
        seconds: events > 0 ? (Date.now() - lastMs) / 1_000 : 0,
      });
    },
    onCrash,
    // As with the log: nobody waits for these events.
    isPatient: true,
  });
  return {
    lag: () => {
      const mine = consumer.assigned().map(({ partition }) => lags.get(partition));
      return {
        events: mine.reduce((sum, lag) => sum + (lag?.events ?? 0), 0),
        seconds: mine.reduce((most, lag) => Math.max(most, lag?.seconds ?? 0), 0),
      };
    },
    state: () => `reading ${topic.topic}: ${consumer.state}`,
    stop: () => consumer.stop(),
  };
}

/**
 * The headers say all that is needed. What is not ours is passed over: the projector puts it to the dead letters. So is what
 * PostgreSQL cannot hold, as nothing could be written down any more with it.
 */
function notedEventOf({ headers }: ReceivedMessage): NotedEvent[] {
  const stream = headers['ce_subject']?.toString();
  const type = headers['ce_type']?.toString();
  const recorded_at = headers['ce_recordedat']?.toString();
  if (headers['ce_source']?.toString() !== 'modelog') return [];
  if (stream === undefined || type === undefined || recorded_at === undefined) return [];
  if (parseStream(stream) === null || !isOrdinaryTime(Date.parse(recorded_at))) return [];
  return [{ stream, type, recorded_at }];
}
