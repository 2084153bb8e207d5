// The projector, wired: it folds events into views, and answers reads from them.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import type { EventLog } from '#events/log.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { DependencyHealth } from '#infra/http/operations.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { tellOfBroken } from '#infra/postgres/connect.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import type { LogLevel } from '#infra/telemetry/log-levels.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { openAnswers } from './answers.ts';
import { openAsOf } from '#infra/as-of.ts';
import { openFind } from './find.ts';
import { openFreshness } from './freshness.ts';
import { findServing, prepareViews } from './generations.ts';
import { openHead } from './head.ts';
import { openModelIndex } from './model-index.ts';
import { projectorMetrics } from './metrics.ts';
import type { Measured } from './metrics.ts';
import { countParkedStreams } from './parking.ts';
import { startProjection } from './project.ts';
import type { Observer, Projection } from './projection.ts';
import { openReader } from './reader.ts';
import { rebuild } from './rebuild.ts';
import { bindingReadRoutes } from './routes/bindings.ts';
import { promotionRequestReadRoutes } from './routes/promotion-requests.ts';
import { deploymentReadRoutes } from './routes/deployments.ts';
import { comparisonRoutes } from './routes/comparison.ts';
import { lineageRoutes } from './routes/lineage.ts';
import { modelReadRoutes } from './routes/models.ts';
import type { Reading } from './routes/reading.ts';
import { statsRoutes } from './routes/stats.ts';
import { versionReadRoutes } from './routes/versions.ts';
import { shareAnswers } from './share-answers.ts';
import { projectInThread } from './thread.ts';
import { readTotals } from './totals.ts';
import type { Totals } from './totals.ts';
import { findViewPosition } from './view-position.ts';
import { views } from './views.ts';
import { openWriter, viewsConnection } from './writer.ts';

/**
 * Whoever starts the service waits so long at most for the projection of the log to be at work: its thread takes its time on a
 * busy machine, and who read meanwhile would be told that the views are behind.
 */
const beginningMs = 3_000;

/** Reads of one moment go together, so a few connections carry them all. */
const readConnectionsMax = 6;
/** Counting all there is reads every counter; nobody who watches needs it more often. */
const totalsKeptForMs = 1_000;
/** Who reads is answered within 2 s, also when the database is gone without a word; the client's own limit is 1 s more. */
const readTimeoutMs = 1_000;

/** Builds the service on a migrated database. It projects from Kafka where one is given, else from the log. */
export function projectorApp(deps: {
  databaseUrl: string;
  log: EventLog;
  follower: HeadFollower;
  clock: Pick<Clock, 'now'>;
  kafka: Kafka | null;
  /** With it, the projection runs in a thread of its own, and logs at this level. */
  threadLogLevel?: LogLevel;
  registry: Registry;
  logger: Logger;
  failpoint: Failpoint;
}) {
  const { databaseUrl, log, follower, clock, kafka, registry, failpoint } = deps;
  const logger = deps.logger.child({ service: 'projector' });
  const onError = (error: unknown): void =>
    logger.warn({ err: error }, 'a connection to the views broke');
  const writer = openWriter({ url: databaseUrl, name: 'modelog-projector', onError });
  const readPool = new Pool({
    ...viewsConnection({
      url: databaseUrl,
      name: 'modelog-views',
      statementTimeoutMs: readTimeoutMs,
    }),
    max: readConnectionsMax,
  });
  tellOfBroken(readPool, onError);
  const answers = openAnswers();
  const head = openHead({ url: databaseUrl, onError });
  const reader = openReader(readPool, head.log, () => {
    answers.forget();
    index.forget();
  });
  const index = openModelIndex(reader, logger);
  const topic = (kafka?.topics ?? topicsOf()).modelLifecycle.topic;
  const findPosition = (): Promise<number> =>
    findViewPosition({ views: readPool, log: head.log, topic, onServing: reader.note });
  const freshness = openFreshness({ findHead: head.find, findPosition });
  const metrics = projectorMetrics(registry, views, measure, (error) =>
    logger.warn({ err: error }, 'the views could not be measured'),
  );
  const reading: Reading = {
    reader,
    find: openFind(reader),
    log,
    freshness,
    asOf: openAsOf(log, clock),
    clock,
    share: shareAnswers<string>(),
    answers,
    index,
  };
  let projection: Projection | null = null;
  const begun = Promise.withResolvers<void>();

  async function measure(): Promise<Measured> {
    const end = (await head.find([])).position;
    const position = await findPosition();
    const [oldest] = end > position ? await log.readAll(position, 1) : [];
    const behindMs =
      oldest === undefined ? 0 : clock.now().getTime() - Date.parse(oldest.recorded_at);
    return {
      lag: { events: Math.max(0, end - position), seconds: Math.max(0, behindMs / 1_000) },
      parkedStreams: await countParkedStreams(readPool),
      totals: await totalsNow(),
    };
  }

  let totals: Promise<Totals> | null = null;
  function totalsNow(): Promise<Totals> {
    totals ??= readTotals(reader, null).finally(() =>
      setTimeout(() => (totals = null), totalsKeptForMs).unref(),
    );
    return totals;
  }

  const observer: Observer = {
    serving: (serving) => {
      reader.note(serving);
      begun.resolve();
    },
    applied: (events, durationMs, { parked }) => {
      metrics.batch(events, durationMs);
      for (const { event, reason } of parked)
        logger.error(
          { stream: event.stream, version: event.stream_version, type: event.type, reason },
          'a stream is parked: "npm run projector -- redrive" tries it again',
        );
      if (parked.length > 0) reader.notePark(parked.map(({ event }) => event.stream));
      if (kafka !== null) freshness.look();
    },
    claimed: () => {
      answers.claimed();
      index.claimed();
    },
    changed: (models) => {
      answers.changed(models);
      index.changed(models);
    },
    reached: (position) => {
      answers.reached(position);
      freshness.reached(position);
    },
  };

  /** Tables of another version of the code are built anew before anything is written. */
  async function renewViews(): Promise<void> {
    await prepareViews(writer, views);
    const serving = await findServing(writer);
    const outdated = views.filter(
      (view) => serving.views.get(view.name)?.viewVersion !== view.version,
    );
    if (outdated.length === 0) return;
    const names = outdated.map(({ name }) => name);
    logger.info({ views: names }, 'views are built anew, as what they hold has changed');
    const { events, seconds } = await rebuild({
      url: databaseUrl,
      log,
      views,
      rebuilt: outdated,
      servingPosition: findPosition,
      onProgress: (progress) => logger.debug(progress, 'rebuilding'),
    });
    logger.info({ views: names, events, seconds }, 'views were built anew');
  }

  return {
    /** Every route of this service; mount under `/api/v1`. */
    routes(server: HttpServer): void {
      modelReadRoutes(server, reading);
      versionReadRoutes(server, reading);
      comparisonRoutes(server, reading);
      lineageRoutes(server, reading);
      deploymentReadRoutes(server, reading);
      bindingReadRoutes(server, reading);
      promotionRequestReadRoutes(server, reading);
      statsRoutes(server, reading);
    },

    /** The routes that documents [2] and [3] also address without a prefix. */
    bareRoutes(server: HttpServer): void {
      modelReadRoutes(server, reading);
      versionReadRoutes(server, reading);
      comparisonRoutes(server, reading);
      lineageRoutes(server, reading);
      deploymentReadRoutes(server, reading);
      bindingReadRoutes(server, reading);
      statsRoutes(server, reading);
    },

    /** Makes the views where there are none, and begins to project, from then on in the background. */
    async start(): Promise<void> {
      await renewViews();
      const { threadLogLevel } = deps;
      projection =
        threadLogLevel === undefined
          ? startProjection({
              log,
              follower,
              writer,
              kafka,
              owner: randomUUID(),
              failpoint,
              observer,
              logger,
            })
          : projectInThread({
              settings: {
                databaseUrl,
                kafka: kafka?.settings ?? null,
                logLevel: threadLogLevel,
              },
              observer,
              onCrash: kafka?.onCrash ?? (() => undefined),
              logger,
            });
      // one from Kafka begins with its first message
      if (kafka === null)
        await Promise.race([begun.promise, delay(beginningMs, undefined, { ref: false })]);
    },

    async health(): Promise<Record<string, DependencyHealth>> {
      const state = projection?.state ?? 'not started';
      const projector: DependencyHealth = {
        status: state === 'failing' || state === 'not started' ? 'down' : 'up',
        state,
        source: kafka === null ? 'log' : 'kafka',
        // where Kafka is read, it is only known when somebody looks
        position: await freshness.eventual().then(
          ({ position }) => position,
          () => freshness.known(),
        ),
      };
      if (kafka === null) return { projector };
      const isUp = await kafka.broker.ping().then(
        () => true,
        () => false,
      );
      return { projector, kafka: { status: isUp ? 'up' : 'down' } };
    },

    /** Ends after the running batch. */
    async stop(): Promise<void> {
      await projection?.stop();
      freshness.close();
      index.close();
      await writer.close();
      await readPool.end();
      await head.close();
    },
  };
}
