// Builds views anew beside those that serve: folds the log into tables of their own, compares, and switches in one transaction.
import { setTimeout as delay } from 'node:timers/promises';
import type { RecordedEvent } from '#events/envelope.ts';
import { pageEventsMax } from '#events/log.ts';
import type { EventLog } from '#events/log.ts';
import { lifecyclePartitions } from '#infra/kafka/topics.ts';
import { partitionOf } from '#infra/kafka/partition.ts';
import { openLogByStream } from '#infra/postgres/log-by-stream.ts';
import { openApplier } from './apply.ts';
import type { Applier, Target } from './apply.ts';
import { compareView } from './compare-generations.ts';
import type { Difference } from './compare-generations.ts';
import {
  createGeneration,
  dropUnused,
  findServing,
  noteApplied,
  serveFrom,
  takeOver,
  voidClaims,
} from './generations.ts';
import type { View } from './views/view.ts';
import { openWriter } from './writer.ts';
import type { Transaction, Writer } from './writer.ts';

/** Streams are dealt over so many connections: the database writes what two have folded while the next is folded here. */
const lanes = 3;
/** So many that the statements weigh little beside the rows; of more, the collector copies what lives until they are written. */
const batchEventsMax = 2_000;
/** Batches that are not yet written while the next is dealt out: a lane that is done need not wait for the others. */
const batchesAheadMax = 1;
/** The switch holds the serving checkpoints while it applies what is left: so few events that nobody notices. */
const nearEventsMax = 2_000;
const waitIntervalMs = 250;
/** How long serving views that are far behind are waited for. */
const waitMsMax = 60_000;
/** Comparing reads whole tables. */
const statementTimeoutMs = 30 * 60_000;
/** "rebu" as a number: one rebuild at a time. */
const rebuildLock = 0x72_65_62_75;

export type RebuildProgress =
  | { step: 'folding'; position: number; head: number; seconds: number }
  | { step: 'comparing' | 'waiting for the serving views' | 'switching' | 'dropping old tables' };

export type RebuildReport = {
  generation: number;
  events: number;
  seconds: number;
  /** Some rows of each view that the serving tables had otherwise. */
  differences: readonly Difference[];
};

/** Why a rebuild did not come to its switch; the serving views are as they were. */
export class RebuildRefused extends Error {
  override name = 'RebuildRefused';
  readonly retryable = false;
}

/**
 * Rebuilds some or all views while they serve. A rebuild that does not end leaves only tables that the next one drops.
 * @throws RebuildRefused, or what the database throws; then nothing has changed
 */
export async function rebuild(options: {
  url: string;
  log: Pick<EventLog, 'readAll' | 'readStream' | 'head'>;
  /** All that there are. */
  views: readonly View[];
  rebuilt: readonly View[];
  /** How far the serving views are. */
  servingPosition: () => Promise<number>;
  onProgress: (progress: RebuildProgress) => void;
  /** Events that are folded at once. */
  batchEvents?: number;
}): Promise<RebuildReport> {
  const { log, views, rebuilt, onProgress, batchEvents = batchEventsMax } = options;
  const startedAt = performance.now();
  const secondsSoFar = (): number => (performance.now() - startedAt) / 1_000;
  const open = () =>
    openWriter({
      url: options.url,
      name: 'modelog-rebuild',
      onError: () => undefined,
      statementTimeoutMs,
    });
  const control = open();
  const writers = Array.from({ length: lanes }, open);
  const isWhole = views.every((view) => rebuilt.includes(view));

  async function readUpTo(head: number, after: number): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for (let last = after; last < head; last = events.at(-1)!.position)
      events.push(...(await log.readAll(last, Math.min(pageEventsMax, head - last))));
    return events;
  }

  const applierOf = (target: Target, writer: Writer, isFilling = false) =>
    openApplier({
      target,
      writer,
      readStream: log.readStream,
      failpoint: () => undefined,
      isFilling,
    });

  /** Does the work for each on whichever connection is free; the results are in the order of the items. */
  async function shareOut<Item, Result>(
    items: readonly Item[],
    work: (item: Item, writer: Writer) => Promise<Result>,
  ): Promise<Result[]> {
    const results: Result[] = [];
    const left = items.entries();
    await Promise.all(
      writers.map(async (writer) => {
        for (const [index, item] of left) results[index] = await work(item, writer);
      }),
    );
    return results;
  }

  /**
   * Deals events over the appliers, each of which goes through its own in turn, whatever the others do. Nothing else writes these
   * tables and nobody resumes: no checkpoint. Where one fails, none begins another batch.
   */
  function openLanes(appliers: readonly Applier[]) {
    const ends = appliers.map((): Promise<void> => Promise.resolve());
    let hasFailed = false;
    async function applyShare(applier: Applier, share: readonly RecordedEvent[]): Promise<void> {
      if (hasFailed || share.length === 0) return;
      try {
        await applier.apply(share, () => Promise.resolve());
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
    return {
      /** `applied` resolves once the batch is, and all before it. */
      apply: (events: readonly RecordedEvent[]): { applied: Promise<unknown> } => {
        const shares: RecordedEvent[][] = appliers.map(() => []);
        for (const event of events)
          shares[partitionOf(event.stream, lifecyclePartitions) % lanes]!.push(event);
        for (const [lane, applier] of appliers.entries())
          ends[lane] = ends[lane]!.then(() => applyShare(applier, shares[lane]!));
        const applied = Promise.all(ends);
        applied.catch(() => undefined);
        return { applied };
      },
      /** Resolves once nothing is under way any more, whether it succeeded or not. */
      ended: () => Promise.allSettled(ends),
    };
  }

  /**
   * Folds all that the log has now, stream by stream: so each row is written once, and none is ever needed again.
   * Returns the last position.
   */
  async function foldStreams(target: Target): Promise<number> {
    const { position: head } = await log.head();
    const filling = openLanes(writers.map((writer) => applierOf(target, writer, true)));
    const { url } = options;
    const streams = await openLogByStream({ url, upToPosition: head, statementTimeoutMs });
    /** Those under way, the oldest first. */
    const batches: { events: number; applied: Promise<unknown> }[] = [];
    try {
      let folded = 0;
      const progress = () =>
        onProgress({ step: 'folding', position: folded, head, seconds: secondsSoFar() });
      async function waitUntilLeft(most: number): Promise<void> {
        while (batches.length > most) {
          const { events, applied } = batches.shift()!;
          await applied;
          folded += events;
          progress();
        }
      }
      progress();
      let page = streams.next(batchEvents);
      for (let events = await page; events.length > 0; events = await page) {
        page = streams.next(batchEvents);
        page.catch(() => undefined);
        batches.push({ events: events.length, ...filling.apply(events) });
        await waitUntilLeft(batchesAheadMax);
      }
      await waitUntilLeft(0);
      return head;
    } finally {
      await filling.ended();
      await streams.close();
    }
  }

  /** Folds what has come since, in the order of the log, until little is left; returns the last position. */
  async function foldFrom(after: number, target: Target): Promise<number> {
    const { apply } = openLanes(writers.map((writer) => applierOf(target, writer)));
    let position = after;
    for (;;) {
      const events = await log.readAll(position, pageEventsMax);
      await apply(events).applied;
      position = events.at(-1)?.position ?? position;
      const { position: head } = await log.head();
      onProgress({ step: 'folding', position, head, seconds: secondsSoFar() });
      if (head - position < pageEventsMax) return position;
    }
  }

  /** The serving position once it is near the head; null where it is not, and need not be. */
  async function nearServing(): Promise<number | null> {
    const deadline = performance.now() + waitMsMax;
    for (;;) {
      const { position: head } = await log.head();
      const position = await options.servingPosition();
      if (head - position <= nearEventsMax) return position;
      if (isWhole) return null;
      if (performance.now() > deadline)
        throw new RebuildRefused(
          `the serving views are ${head - position} events behind; rebuild all of them, or let them catch up first`,
        );
      onProgress({ step: 'waiting for the serving views' });
      await delay(waitIntervalMs);
    }
  }

  async function refuseNewlyParked(
    transaction: Transaction,
    serving: number,
    built: number,
  ): Promise<void> {
    const { rows } = await transaction.query<{ stream: string; reason: string }>(
      `select b.stream, b.reason from views.parked_streams b where b.generation = $2
         and not exists (select from views.parked_streams s where s.generation = $1 and s.stream = b.stream)
       limit 1`,
      [serving, built],
    );
    if (rows[0] !== undefined)
      throw new RebuildRefused(
        `${rows[0].stream} is served now and could not be rebuilt: ${rows[0].reason}`,
      );
  }

  /** The other views stay where they are, so a stream that they do not have in full must not be in the rebuilt ones. */
  async function refuseParked(transaction: Transaction, serving: number): Promise<void> {
    const { rowCount } = await transaction.query(
      'select from views.parked_streams where generation = $1 limit 1',
      [serving],
    );
    if (rowCount !== 0)
      throw new RebuildRefused('streams are parked: redrive them first, or rebuild all views');
  }

  async function run(): Promise<RebuildReport> {
    const { rows } = await control.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(${rebuildLock}) as locked`,
    );
    if (!rows[0]!.locked) throw new RebuildRefused('another rebuild is running');
    await control.transaction(dropUnused);
    const serving = await findServing(control);
    // Tables of another version of the code have other columns, and cannot be written or compared by this one.
    const written = views.filter(
      (view) => serving.views.get(view.name)?.viewVersion === view.version,
    );
    if (!isWhole) await refuseParked(control, serving.generation);
    const left = views.find((view) => !written.includes(view) && !rebuilt.includes(view));
    if (left !== undefined)
      throw new RebuildRefused(`the view ${left.name} is of another version: rebuild it too`);
    const generation = await control.transaction((transaction) =>
      createGeneration(transaction, rebuilt),
    );
    const target: Target = { generation, views: rebuilt.map((view) => ({ view, generation })) };
    const old: Target = {
      generation: serving.generation,
      views: written.map((view) => ({
        view,
        generation: serving.views.get(view.name)!.generation,
      })),
    };
    const comparable = rebuilt.filter((view) => written.includes(view));
    const compare = (transaction: Transaction, view: View) =>
      compareView(
        transaction,
        view,
        {
          generation: serving.views.get(view.name)!.generation,
          streamVersions: serving.generation,
        },
        { generation, streamVersions: generation },
      );

    const folded = await foldFrom(await foldStreams(target), target);
    onProgress({ step: 'comparing' });
    // Plans for tables that were filled a moment ago would take them for empty, here and when they serve.
    const analyze = (writer: Writer, name: string) =>
      writer.query(`analyze views.${name}_g${generation}`);
    const found = await shareOut([null, ...rebuilt], async (view, writer) => {
      await analyze(writer, view?.name ?? 'stream_versions');
      if (view === null || !view.hasModelId || !comparable.includes(view)) return [];
      return await writer.transaction((transaction) => compare(transaction, view));
    });
    const differences = found.flat();
    const servingPosition = await nearServing();
    const position = await foldFrom(folded, target);
    onProgress({ step: 'switching' });
    const events = await control.transaction(async (transaction) => {
      // From here to the commit nobody else writes the serving tables.
      await voidClaims(transaction, serving.generation);
      const { position: head } = await log.head();
      await applierOf(target, control).applyWithin(transaction, await readUpTo(head, position));
      await refuseNewlyParked(transaction, serving.generation, generation);
      if (servingPosition !== null) {
        const rest = await readUpTo(head, servingPosition);
        await applierOf(old, control).applyWithin(transaction, rest);
        for (const view of comparable)
          if (!view.hasModelId) differences.push(...(await compare(transaction, view)));
      }
      if (!isWhole) await refuseParked(transaction, serving.generation);
      await serveFrom(transaction, generation, rebuilt);
      if (isWhole) await takeOver(transaction, serving.generation, generation);
      await noteApplied(transaction, isWhole ? generation : serving.generation, head);
      return head;
    });
    onProgress({ step: 'dropping old tables' });
    // Whoever still reads them finds them gone and looks again. A query that holds one for long keeps it; the next rebuild drops it.
    await control.transaction(dropUnused).catch(() => undefined);
    return { generation, events, seconds: secondsSoFar(), differences };
  }

  try {
    return await run();
  } finally {
    await Promise.all([control, ...writers].map((writer) => writer.close()));
  }
}
