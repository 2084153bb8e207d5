// What every process of the registry stands on: logger, database, clock, metrics, and an HTTP server with the same base.
import type { Pool } from 'pg';
import { openKeyring } from './auth/keys.ts';
import type { TokenVerifiers } from './auth/keys.ts';
import { failpointsFrom } from './failpoint.ts';
import type { Failpoint } from './failpoint.ts';
import { documentRoutes, operationRoutes } from './http/operations.ts';
import type { DependencyHealth } from './http/operations.ts';
import { buildServer } from './http/server.ts';
import type { HttpServer } from './http/server.ts';
import { openKafka } from './kafka/open.ts';
import type { Kafka } from './kafka/open.ts';
import { openAuditRecords } from './postgres/audit.ts';
import { openDatabaseClock } from './postgres/clock.ts';
import type { Clock } from './postgres/clock.ts';
import { openPool } from './postgres/connect.ts';
import { openPostgresLog } from './postgres/log.ts';
import type { PostgresLog } from './postgres/log.ts';
import { logMigrations, migrate } from './postgres/migrate.ts';
import type { Migrations } from './postgres/migrate.ts';
import type { GiveUp } from './process.ts';
import { followHead } from './postgres/tail.ts';
import type { HeadFollower } from './postgres/tail.ts';
import type { LogLevel } from './telemetry/log-levels.ts';
import { openLogger } from './telemetry/logger.ts';
import type { Logger } from './telemetry/logger.ts';
import { openMetrics, poolGauges, requestMetrics } from './telemetry/metrics.ts';
import type { Registry } from './telemetry/metrics.ts';
import { modelogVersion } from './version.ts';

export type Platform = {
  databaseUrl: string;
  logger: Logger;
  pool: Pool;
  clock: Clock;
  follower: HeadFollower;
  registry: Registry;
  failpoint: Failpoint;
  /** Closes what was opened, last opened first. */
  close: () => Promise<void>;
};

/** Connects to a database and brings it to the newest migrations. */
export async function openPlatform(options: {
  name: string;
  databaseUrl: string;
  poolSize: number;
  logger: Logger;
  migrations: readonly Migrations[];
}): Promise<Platform> {
  const { databaseUrl, logger } = options;
  for (const migrations of options.migrations) await migrate(databaseUrl, migrations);
  const onError = (error: unknown): void =>
    logger.warn({ err: error }, 'the database connection broke');
  const pool = openPool({
    url: databaseUrl,
    name: options.name,
    role: 'modelog_service',
    size: options.poolSize,
    onError,
  });
  const clock = await openDatabaseClock(pool, onError);
  const registry = openMetrics();
  poolGauges(registry, pool);
  const follower = followHead({ url: databaseUrl, onError });
  return {
    databaseUrl,
    logger,
    pool,
    clock,
    follower,
    registry,
    failpoint: failpointsFrom(process.env),
    async close() {
      await follower.close();
      clock.close();
      await pool.end();
    },
  };
}

export type ReaderPlatform = Platform & { log: PostgresLog; kafka: Kafka | null };

/** The platform of a process that reads what others wrote: with the log, and Kafka where the settings name its brokers. */
export async function openReaderPlatform(options: {
  name: string;
  config: {
    DATABASE_POOL_SIZE: number;
    KAFKA_BROKERS?: string[] | undefined;
    KAFKA_TOPIC_PREFIX: string;
    LOG_LEVEL: LogLevel;
  };
  databaseUrl: string;
  schemaRegistryUrl: string | null | undefined;
  migrations: Migrations;
  giveUp: GiveUp;
}): Promise<ReaderPlatform> {
  const { name, config, databaseUrl, schemaRegistryUrl } = options;
  const logger = openLogger(config.LOG_LEVEL);
  const platform = await openPlatform({
    name,
    databaseUrl,
    poolSize: config.DATABASE_POOL_SIZE,
    logger,
    migrations: [logMigrations, options.migrations],
  });
  const { pool, failpoint } = platform;
  const log = openPostgresLog({
    url: databaseUrl,
    pool,
    failpoint,
    onError: (error) => logger.warn({ err: error }, 'the log connection broke'),
  });
  const kafka = await openKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: name,
    schemaRegistryUrl,
    topicPrefix: config.KAFKA_TOPIC_PREFIX,
    logger,
    // whoever watches the process starts it anew
    onCrash: ({ message }) => options.giveUp(message),
  });
  return {
    ...platform,
    log,
    kafka,
    async close() {
      await log.close();
      await platform.close();
    },
  };
}

/** What a service shows over HTTP. */
export type HttpService = {
  name: string;
  title: string;
  host: string;
  port: number;
  /** How tokens are verified; absent: only keys are known. */
  identity?: TokenVerifiers;
  /** Whose pages may ask from a browser. */
  corsOrigins: readonly string[];
  /** Mounts the routes: under `/api/v1`, and those that documents [2] and [3] address without a prefix. */
  routes: (server: HttpServer) => void;
  bareRoutes?: (server: HttpServer) => void;
  dependencies: () => Promise<Record<string, DependencyHealth>>;
  /** Ends answers that would never end by themselves, so that the server can close. */
  endStreams?: () => void;
};

/** How long the database may take to say that it is there. */
const pingTimeoutMs = 1_500;

/** Listens; `close` turns readiness red first, lets work in flight end, then stops listening. */
export async function serveHttp(
  platform: Platform,
  service: HttpService,
): Promise<{ address: string; close: () => Promise<void> }> {
  const { logger, pool, registry } = platform;
  const audit = openAuditRecords(pool, (error, dropped) =>
    logger.warn({ err: error, dropped }, 'refusals could not be written to the audit trail'),
  );
  const server = buildServer({
    logger,
    audit,
    keyring: openKeyring(pool, service.identity),
    metrics: requestMetrics(registry),
    corsOrigins: service.corsOrigins,
  });
  const version = modelogVersion();
  let isEnding = false;

  const isDatabaseUp = (): Promise<boolean> =>
    Promise.race([
      pool.query('select 1').then(
        () => true,
        () => false,
      ),
      new Promise<boolean>((resolve) => setTimeout(resolve, pingTimeoutMs, false).unref()),
    ]);

  await documentRoutes(server, service.title, version);
  operationRoutes(server, {
    service: service.name,
    version,
    registry,
    dependencies: async () => ({
      postgres: { status: (await isDatabaseUp()) ? 'up' : 'down' },
      ...(await service.dependencies()),
    }),
    isReady: async () => !isEnding && (await isDatabaseUp()),
  });
  await server.register(async (scope) => service.routes(scope), { prefix: '/api/v1' });
  const { bareRoutes } = service;
  if (bareRoutes !== undefined)
    await server.register(async (scope) => {
      // the reference shows each call once, under its prefix
      scope.addHook('onRoute', (route) => {
        route.schema = { ...route.schema, hide: true };
      });
      bareRoutes(scope);
    });
  const address = await server.listen({ host: service.host, port: service.port });
  return {
    address,
    async close() {
      isEnding = true;
      service.endStreams?.();
      await server.close();
      await audit.close();
    },
  };
}
