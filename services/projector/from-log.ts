// Projects straight from the log, without a broker: one process applies, any other stands by and takes over.
import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog } from '#events/log.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import { pauseBefore } from '#infra/kafka/deadline.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import { shownModel } from './answers.ts';
import { openApplier } from './apply.ts';
import {
  advance,
  claim,
  ClaimLost,
  findOffsets,
  findServing,
  logPartition,
  targetOf,
} from './generations.ts';
import type { Observer, Projection } from './projection.ts';
import { isTableGone } from './reader.ts';
import type { View } from './views/view.ts';
import type { Writer } from './writer.ts';

/** A batch is a matter of some ten milliseconds, so that the views stay close to the head. */
const batchEventsMax = 500;
/** A process that applied nothing for so long, though there was something to apply, is taken over from. */
const takeOverAfterMs = 2_000;
const standByIntervalMs = 250;

/** Starts to apply in the background, for as long as it takes, until it is stopped. */
export function projectFromLog(options: {
  log: Pick<EventLog, 'readAll' | 'readStream'>;
  head: HeadFollower;
  writer: Writer;
  views: readonly View[];
  /** Names this process among those that might apply. */
  owner: string;
  failpoint: Failpoint;
  observer: Observer;
  logger: Logger;
}): Projection {
  const { log, head, writer, views, owner, failpoint, observer, logger } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let state: Projection['state'] = 'connecting';

  async function follow(onApplied: () => void): Promise<never> {
    const serving = await findServing(writer);
    const target = targetOf(serving, views);
    observer.serving(serving);
    const held = await claim(writer, target.generation, logPartition, owner);
    const { readStream } = log;
    const applier = openApplier({ target, writer, readStream, failpoint });
    state = 'running';
    let { position } = held;
    observer.claimed();
    observer.reached(position);
    let page = log.readAll(position, batchEventsMax);
    for (;;) {
      const events = await page;
      const last = events.at(-1)?.position;
      if (last === undefined) {
        await head.beyond(position, signal);
        page = log.readAll(position, batchEventsMax);
        continue;
      }
      signal.throwIfAborted();
      // The next page is read while this one is applied.
      const next = head.position() > last ? log.readAll(last, batchEventsMax) : Promise.resolve([]);
      next.catch(() => undefined);
      const startedAt = performance.now();
      const { models, ...applied } = await applier.apply(events, (transaction) =>
        advance(transaction, [{ held, to: { position: last, nextOffset: null, mark: null } }]),
      );
      observer.changed(models.map(shownModel));
      observer.applied(events.length, performance.now() - startedAt, applied);
      position = last;
      observer.reached(position);
      onApplied();
      page = next;
    }
  }

  /** Returns once it is this process's turn: nobody else has claimed, or whoever did makes no progress. */
  async function standBy(): Promise<void> {
    let seen = '';
    let seenAt = performance.now();
    for (;;) {
      const { generation } = await findServing(writer);
      const offsets = await findOffsets(writer, generation);
      const own = offsets.find(({ partition }) => partition === logPartition)!;
      if (own.owner === owner) return;
      state = 'standing by';
      const progress = JSON.stringify(offsets);
      if (progress !== seen || own.position >= head.position()) {
        seen = progress;
        seenAt = performance.now();
      } else if (performance.now() - seenAt > takeOverAfterMs) return;
      await delay(standByIntervalMs, undefined, { signal });
    }
  }

  async function run(): Promise<void> {
    let attempt = 0;
    let mustStandBy = false;
    while (!signal.aborted) {
      try {
        if (mustStandBy) await standBy();
        mustStandBy = false;
        await follow(() => (attempt = 0));
      } catch (error) {
        if (signal.aborted) return;
        // a rebuild has switched, whose tables are somebody else's until the next claim
        mustStandBy = error instanceof ClaimLost || isTableGone(error);
        if (mustStandBy) continue;
        state = 'failing';
        attempt++;
        logger.error({ err: error, attempt }, 'the projection stopped; it is tried again');
        await pauseBefore(attempt, signal);
      }
    }
  }

  const running = run();
  return {
    get state() {
      return state;
    },
    stop: async () => {
      stopping.abort(new Error('the projection is stopping'));
      await running;
      state = 'stopped';
    },
  };
}
