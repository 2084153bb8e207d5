// Retention as a process of its own.
import { openKeyring } from '#infra/auth/keys.ts';
import { failpointsFrom } from '#infra/failpoint.ts';
import { documentRoutes, operationRoutes } from '#infra/http/operations.ts';
import { buildServer } from '#infra/http/server.ts';
import { createBroker } from '#infra/kafka/broker.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { openDatabaseClock } from '#infra/postgres/clock.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { readSettings, runService } from '#infra/process.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { openMetrics, requestMetrics } from '#infra/telemetry/metrics.ts';
import { modelogVersion } from '#infra/version.ts';
import { retentionApp, retentionMigrations } from './app.ts';
import { archiveByHttp } from './archive.ts';
import { settings } from './config.ts';
import { defaultPolicy } from './due.ts';

const { values: config } = readSettings(
  'npm run start:retention: has archived what nothing uses any more',
  settings,
);

await runService(async () => {
  const { DATABASE_URL: databaseUrl, MODELOG_SERVICE_KEY: serviceKey } = config;
  if (databaseUrl === undefined)
    throw new Error('DATABASE_URL is needed; `npm start` brings its own PostgreSQL');
  if (serviceKey === undefined)
    throw new Error('MODELOG_SERVICE_KEY is needed, the same as the command API was given');
  const logger = openLogger(config.LOG_LEVEL);
  await migrate(databaseUrl, logMigrations);
  await migrate(databaseUrl, retentionMigrations);
  const onError = (error: unknown): void =>
    logger.warn({ err: error }, 'the database connection broke');
  const pool = openPool({
    url: databaseUrl,
    name: 'modelog-retention',
    role: 'modelog_service',
    size: config.DATABASE_POOL_SIZE,
    onError,
  });
  const clock = await openDatabaseClock(pool, onError);
  const registry = openMetrics();
  const failpoint = failpointsFrom(process.env);
  const log = openPostgresLog({ url: databaseUrl, pool, failpoint, onError });
  const kafka = config.KAFKA_BROKERS && {
    broker: createBroker({
      brokers: config.KAFKA_BROKERS,
      clientId: 'modelog-retention',
      log: logger,
    }),
    topic: topicsOf().modelLifecycle,
    groupPrefix: '',
    // Said by the broker; whoever watches the process starts it anew.
    onCrash: () => process.exit(1),
  };
  const app = retentionApp({
    pool,
    log,
    kafka: kafka ?? null,
    archive: archiveByHttp({ apiUrl: config.COMMAND_API_URL, serviceKey }),
    policy: defaultPolicy(config.DEFAULT_RETENTION_COUNT),
    clock,
    sweepSeconds: config.RETENTION_SWEEP_SECONDS,
    registry,
    logger,
    failpoint,
  });

  const version = modelogVersion();
  const server = buildServer({
    logger,
    keyring: openKeyring(pool),
    metrics: requestMetrics(registry),
  });
  let isEnding = false;
  const isLogUp = (): Promise<boolean> =>
    log.head().then(
      () => true,
      () => false,
    );
  await documentRoutes(server, 'Modelog retention', version);
  await operationRoutes(server, {
    service: 'retention',
    version,
    registry,
    dependencies: async () => ({
      postgres: { status: (await isLogUp()) ? 'up' : 'down' },
      ...app.health(),
    }),
    isReady: async () => !isEnding && (await isLogUp()),
  });
  app.start();
  const address = await server.listen({ host: config.HOST, port: config.PORT });
  logger.info({ address }, 'retention listens');

  return {
    async stop() {
      isEnding = true;
      await server.close();
      await app.stop();
      await log.close();
      clock.close();
      await pool.end();
    },
  };
});
