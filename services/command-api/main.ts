// The command API as a process of its own.
import { registryRetention } from '#events/policy/retention.ts';
import { tokenVerifiersOf } from '#infra/auth/settings.ts';
import { openKafka } from '#infra/kafka/open.ts';
import { openPlatform, serveHttp } from '#infra/platform.ts';
import { logMigrations } from '#infra/postgres/migrate.ts';
import { readSettings, runService } from '#infra/process.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { commandApiApp } from './app.ts';
import { settings } from './config.ts';

const { values: config } = readSettings(
  'npm run start:command-api: takes commands, appends them to the log, relays the log to Kafka',
  settings,
);

await runService(async (giveUp) => {
  const { DATABASE_URL: databaseUrl } = config;
  const logger = openLogger(config.LOG_LEVEL);
  const platform = await openPlatform({
    name: 'modelog-command-api',
    databaseUrl,
    poolSize: config.DATABASE_POOL_SIZE,
    logger,
    migrations: [logMigrations],
  });
  const kafka = await openKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: 'modelog-command-api',
    schemaRegistryUrl: config.SCHEMA_REGISTRY_URL,
    topicPrefix: config.KAFKA_TOPIC_PREFIX,
    logger,
    // whoever watches the process starts it anew
    onCrash: ({ message }) => giveUp(message),
  });
  const identity = tokenVerifiersOf(config);
  const app = commandApiApp({
    ...platform,
    kafka,
    tokens: identity.tokens,
    kept: registryRetention(config.DEFAULT_RETENTION_COUNT),
    modelTypes: config.MODEL_TYPES,
  });
  await app.start({ adminKey: config.MODELOG_ADMIN_KEY, serviceKey: config.MODELOG_SERVICE_KEY });
  const http = await serveHttp(platform, {
    name: 'command-api',
    title: 'Modelog command API',
    host: config.HOST,
    port: config.PORT,
    corsOrigins: config.CORS_ORIGINS,
    identity,
    routes: app.routes,
    bareRoutes: app.bareRoutes,
    dependencies: app.health,
    endStreams: app.endStreams,
  });
  logger.info({ address: http.address }, 'command-api listens');
  return {
    async stop() {
      await http.close();
      await app.stop();
      await platform.close();
    },
  };
});
