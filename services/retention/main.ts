// Retention as a process of its own.
import { openKafka } from '#infra/kafka/open.ts';
import { openPlatform, serveHttp } from '#infra/platform.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations } from '#infra/postgres/migrate.ts';
import { readSettings, runService } from '#infra/process.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { retentionByHttp, retentionMigrations } from './app.ts';
import { settings } from './config.ts';

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
  const platform = await openPlatform({
    name: 'modelog-retention',
    databaseUrl,
    poolSize: config.DATABASE_POOL_SIZE,
    logger,
    migrations: [logMigrations, retentionMigrations],
  });
  const log = openPostgresLog({
    ...platform,
    url: databaseUrl,
    onError: (error) => logger.warn({ err: error }, 'the log connection broke'),
  });
  const kafka = openKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: 'modelog-retention',
    // due times need the envelope alone, whatever the values are
    schemaRegistryUrl: null,
    topicPrefix: config.KAFKA_TOPIC_PREFIX,
    logger,
    // said by the broker; whoever watches the process starts it anew
    onCrash: () => process.exit(1),
  });
  const app = retentionByHttp({
    ...platform,
    log,
    kafka,
    commandApiUrl: config.COMMAND_API_URL,
    serviceKey,
    newestKept: config.DEFAULT_RETENTION_COUNT,
    sweepSeconds: config.RETENTION_SWEEP_SECONDS,
  });
  const http = await serveHttp(platform, {
    name: 'retention',
    title: 'Modelog retention',
    host: config.HOST,
    port: config.PORT,
    routes: () => undefined,
    dependencies: async () => app.health(),
  });
  app.start();
  logger.info({ address: http.address }, 'retention listens');
  return {
    async stop() {
      await http.close();
      await app.stop();
      await log.close();
      await platform.close();
    },
  };
});
