// The command API as a process of its own.
import { openKeyring } from '#infra/auth/keys.ts';
import { failpointsFrom } from '#infra/failpoint.ts';
import { documentRoutes, operationRoutes } from '#infra/http/operations.ts';
import { buildServer } from '#infra/http/server.ts';
import { openDatabaseClock } from '#infra/postgres/clock.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { readSettings, runService } from '#infra/process.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { openMetrics, requestMetrics } from '#infra/telemetry/metrics.ts';
import { modelogVersion } from '#infra/version.ts';
import { commandApiApp } from './app.ts';
import { settings } from './config.ts';

const { values: config } = readSettings(
  'npm run start:command-api: takes commands, appends, relays to Kafka',
  settings,
);

await runService(async () => {
  if (config.DATABASE_URL === undefined)
    throw new Error('DATABASE_URL is needed; `npm start` brings its own PostgreSQL');
  const databaseUrl = config.DATABASE_URL;
  const logger = openLogger(config.LOG_LEVEL);
  await migrate(databaseUrl, logMigrations);
  const onError = (error: unknown): void =>
    logger.warn({ err: error }, 'the database connection broke');
  const pool = openPool({
    url: databaseUrl,
    name: 'modelog-command-api',
    role: 'modelog_service',
    size: config.DATABASE_POOL_SIZE,
    onError,
  });
  const clock = await openDatabaseClock(pool, onError);
  const follower = followHead({ url: databaseUrl, onError });
  const registry = openMetrics();
  const app = commandApiApp({
    databaseUrl,
    pool,
    follower,
    clock,
    registry,
    logger,
    failpoint: failpointsFrom(process.env),
  });
  await app.start({ adminKey: config.MODELOG_ADMIN_KEY, serviceKey: config.MODELOG_SERVICE_KEY });

  const version = modelogVersion();
  const server = buildServer({
    logger,
    keyring: openKeyring(pool),
    metrics: requestMetrics(registry),
  });
  let isEnding = false;
  await documentRoutes(server, 'Modelog command API', version);
  await operationRoutes(server, {
    service: 'command-api',
    version,
    registry,
    dependencies: app.health,
    isReady: async () => !isEnding && (await app.isReady()),
  });
  await server.register(async (scope) => app.routes(scope), { prefix: '/api/v1' });
  await server.register(async (scope) => app.bareRoutes(scope));
  const address = await server.listen({ host: config.HOST, port: config.PORT });
  logger.info({ address }, 'command-api listens');

  return {
    async stop() {
      isEnding = true;
      app.endStreams();
      await server.close();
      await app.stop();
      await follower.close();
      clock.close();
      await pool.end();
    },
  };
});
