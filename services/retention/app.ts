// The retention service, wired: events make due times, and a sweep from time to time has archived what is due.
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { EventLog } from '#events/log.ts';
import type { Retention } from '#events/policy/retention.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { DependencyHealth } from '#infra/http/operations.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import type { Migrations } from '#infra/postgres/migrate.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { archiveBy } from './archive.ts';
import type { ArchiveVersion } from './archive.ts';
import { openCounts } from './counts.ts';
import { consumeLog, consumeTopic } from './consume.ts';
import type { Intake, Lag } from './consume.ts';
import { openDueTimes } from './due-times.ts';
import { retentionMetrics } from './metrics.ts';
import { retentionStatsRoutes } from './routes/stats.ts';
import { orderByHttp } from './order.ts';
import { openPolicies } from './policies.ts';
import { openSweep } from './sweep.ts';
import type { SweepReport } from './sweep.ts';
import { settleBy } from './promotion-requests.ts';
import type { SettleRequest } from './promotion-requests.ts';
import { raiseSunsetBy } from './sunsets.ts';
import type { RaiseSunset } from './sunsets.ts';
import { timeOutBy } from './time-out.ts';
import type { TimeOutDeployment } from './time-out.ts';

/** To be applied after the log's own, whose role they grant to. */
export const retentionMigrations: Migrations = {
  folder: path.join(import.meta.dirname, 'migrations'),
  schema: 'retention',
};

/** A sweep that could not be finished is tried again so soon, so that a fault that is healed does not linger. */
const retryAfterMs = 10_000;

const noLag: Lag = { events: 0, seconds: 0 };

/** Builds the service on a migrated database. Events come from Kafka where it is given, else from the log. */
export function retentionApp(deps: {
  pool: Pool;
  log: Pick<EventLog, 'readStream' | 'lookUp'>;
  kafka: Omit<Kafka, 'codec' | 'settings'> | null;
  archive: ArchiveVersion;
  timeOut: TimeOutDeployment;
  raiseSunset: RaiseSunset;
  settle: SettleRequest;
  /** What is kept where no policy says otherwise. */
  kept: Retention;
  deploymentTimeoutHours: number;
  clock: Pick<Clock, 'now'>;
  sweepSeconds: number;
  registry: Registry;
  logger: Logger;
  failpoint: Failpoint;
}) {
  const { pool, kafka, kept, deploymentTimeoutHours, clock, failpoint } = deps;
  const logger = deps.logger.child({ service: 'retention' });
  const stopping = new AbortController();
  const { signal } = stopping;
  const dueTimes = openDueTimes(pool, { registry: kept, deploymentTimeoutHours }, (error) =>
    logger.warn({ err: error }, 'due times were not written; they will be'),
  );
  let intake: Intake | null = null;
  let sweeping: Promise<void> = Promise.resolve();
  let lastSweep: { at: string; outcome: string } | null = null;
  const metrics = retentionMetrics(deps.registry, () => intake?.lag() ?? noLag);
  const keepingOf = openPolicies(deps.log, kept);
  const count = openCounts({ pool, log: deps.log, keepingOf, clock });
  const sweep = openSweep({
    log: deps.log,
    dueTimes,
    archive: deps.archive,
    timeOut: deps.timeOut,
    raiseSunset: deps.raiseSunset,
    settle: deps.settle,
    keepingOf,
    deploymentTimeoutHours,
    clock,
    failpoint,
    told: {
      archived: ({ number, version_id, cause, rule }, stream) => {
        metrics.archived(cause);
        logger.info({ stream, number, version_id, cause, rule }, 'a version was archived');
      },
      timedOut: ({ deployment_id, status }, stream) => {
        metrics.timedOut();
        logger.warn({ stream, deployment_id, status }, 'a deployment was given up waiting for');
      },
      sunset: ({ number, sunset_at }, stream) =>
        logger.warn({ stream, number, sunset_at }, 'the announced end of a version has come'),
      failed: (error, stream) => {
        metrics.failed();
        logger.error({ err: error, stream }, 'a model could not be looked at to the end');
      },
    },
  });

  async function sweepOnce(): Promise<SweepReport> {
    await dueTimes.adoptPolicies();
    metrics.due(await dueTimes.countDue(clock.now()));
    return await sweep.run(signal);
  }

  async function sweepForEver(): Promise<void> {
    let adopted = false;
    while (!signal.aborted) {
      let outcome: string;
      try {
        if (!adopted) await dueTimes.adopt();
        adopted = true;
        const report = await sweepOnce();
        outcome = report.failed === 0 ? 'ok' : `${report.failed} models could not be looked at`;
        if (report.looked_at > 0) logger.info(report, 'a sweep ended');
      } catch (error) {
        if (signal.aborted) return;
        outcome = 'failed';
        logger.warn({ err: error }, 'a sweep failed; the next will try again');
      }
      lastSweep = { at: clock.now().toISOString(), outcome };
      await dueTimes
        .swept(lastSweep.at, outcome)
        .catch((error: unknown) => logger.warn({ err: error }, 'a sweep was not written down'));
      const pauseMs = deps.sweepSeconds * 1_000;
      const untilNextMs = outcome === 'ok' ? pauseMs : Math.min(pauseMs, retryAfterMs);
      await delay(untilNextMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    /** Every route of this service; mount under `/api/v1` and, for document [2], without a prefix. */
    routes(server: HttpServer): void {
      retentionStatsRoutes(server, {
        kept,
        countVersions: async (principal) => {
          // a policy that was set just now counts
          await dueTimes.adoptPolicies();
          return await count(principal);
        },
      });
    },

    /** Begins to read and to sweep, in the background. */
    start(): void {
      intake =
        kafka === null
          ? consumeLog({
              pool,
              dueTimes,
              onError: (error) =>
                logger.warn({ err: error }, 'the log cannot be read; trying again'),
              onReadAgain: () => logger.warn('the log went back; it is read again'),
            })
          : consumeTopic(kafka, dueTimes, (partition) =>
              logger.warn({ partition }, 'the topic was made anew; it is read again'),
            );
      sweeping = sweepForEver();
    },

    /** Looks at everything whose time has come, now. */
    sweepOnce,

    health(): Record<string, DependencyHealth> {
      const isUp = lastSweep === null || lastSweep.outcome === 'ok';
      return {
        retention: {
          status: isUp ? 'up' : 'down',
          source: intake?.state() ?? 'not started',
          lag_events: intake?.lag().events ?? 0,
          last_sweep: lastSweep,
        },
      };
    },

    /** Ends reading and sweeping after what is under way, and writes what was read. */
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all([intake?.stop(), sweeping]);
      await dueTimes
        .close()
        .catch((error: unknown) => logger.warn({ err: error }, 'due times were not written'));
    },
  };
}

/** The service as a process runs it: with the command API asked over HTTP. */
export const retentionByHttp = ({
  commandApiUrl,
  serviceKey,
  ...deps
}: Omit<Parameters<typeof retentionApp>[0], 'archive' | 'timeOut' | 'raiseSunset' | 'settle'> & {
  /** Asked for at each order, as one process knows it only when it listens. */
  commandApiUrl: () => string;
  serviceKey: string;
}) => {
  const order = orderByHttp({ apiUrl: commandApiUrl, serviceKey });
  return retentionApp({
    ...deps,
    archive: archiveBy(order),
    timeOut: timeOutBy(order),
    raiseSunset: raiseSunsetBy(order),
    settle: settleBy(order),
  });
};
