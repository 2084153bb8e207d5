// The whole system in one process: what `npm start` runs, and with --kafka (a local Kafka) `npm run start:kafka`.
import fs from 'node:fs/promises';
import path from 'node:path';
import { registryRetention } from '#events/policy/retention.ts';
import { tokenVerifiersOf } from '#infra/auth/settings.ts';
import { openKafka } from '#infra/kafka/open.ts';
import { openPlatform, serveHttp } from '#infra/platform.ts';
import { logMigrations } from '#infra/postgres/migrate.ts';
import { readSettings, runService } from '#infra/process.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { commandApiApp } from '#services/command-api/app.ts';
import { projectorApp } from '#services/projector/app.ts';
import { viewsMigrations } from '#services/projector/config.ts';
import { retentionByHttp, retentionMigrations } from '#services/retention/app.ts';
import { settings } from './config.ts';
import { keyOf } from './kept-key.ts';
import { startLocalParts } from './local-parts.ts';
import { farewell, welcome } from './welcome.ts';

const { values: config, flags } = readSettings(
  `npm start: the whole system in one process, on an embedded PostgreSQL unless DATABASE_URL is set, with Kafka where KAFKA_BROKERS is set
npm run start:kafka [-- --schema-registry]: the same, with a local Kafka (and schema registry) where none is set`,
  settings,
  ['kafka', 'schema-registry'],
);

await runService(async (giveUp) => {
  const logger = openLogger(config.LOG_LEVEL);
  const dataDir = path.resolve(config.DATA_DIR);
  await fs.mkdir(dataDir, { recursive: true });
  const parts = await startLocalParts({
    dataDir,
    databaseUrl: config.DATABASE_URL,
    kafkaBrokers: config.KAFKA_BROKERS,
    localKafkaPort: flags.has('kafka') ? config.LOCAL_KAFKA_PORT : null,
    withSchemaRegistry: flags.has('schema-registry'),
    schemaRegistryUrl: config.SCHEMA_REGISTRY_URL,
    logger,
  });
  const closing: (() => Promise<void> | void)[] = [parts.stop];
  const stop = async (): Promise<void> => {
    for (const close of closing.toReversed()) await close();
  };
  void parts.postgresLost.then(() =>
    giveUp(
      'PostgreSQL ended unexpectedly; start again to go on, nothing that was answered is lost',
    ),
  );

  try {
    const adminKey = await keyOf(config.MODELOG_ADMIN_KEY, path.join(dataDir, 'admin-key'));
    const serviceKey = await keyOf(config.MODELOG_SERVICE_KEY, path.join(dataDir, 'service-key'));
    const platform = await openPlatform({
      name: 'modelog',
      databaseUrl: parts.databaseUrl,
      poolSize: config.DATABASE_POOL_SIZE,
      logger,
      migrations: [logMigrations, viewsMigrations, retentionMigrations],
    });
    closing.push(platform.close);
    const kafka = await openKafka({
      brokers: parts.kafkaBrokers,
      clientId: 'modelog',
      schemaRegistryUrl: parts.schemaRegistryUrl,
      topicPrefix: config.KAFKA_TOPIC_PREFIX,
      logger,
      onCrash: ({ message }) => giveUp(message),
    });

    const identity = tokenVerifiersOf(config);
    const kept = registryRetention(config.DEFAULT_RETENTION_COUNT);
    const commandApi = commandApiApp({
      ...platform,
      kafka,
      tokens: identity.tokens,
      kept,
      modelTypes: config.MODEL_TYPES,
    });
    await commandApi.start({ adminKey: adminKey.key, serviceKey: serviceKey.key });
    closing.push(commandApi.stop);

    const projector = projectorApp({
      ...platform,
      log: commandApi.log,
      kafka,
      threadLogLevel: config.LOG_LEVEL,
    });
    await projector.start();
    closing.push(projector.stop);

    let address = '';
    const retention = retentionByHttp({
      ...platform,
      log: commandApi.log,
      kafka,
      commandApiUrl: () => address,
      serviceKey: serviceKey.key,
      kept,
      sweepSeconds: config.RETENTION_SWEEP_SECONDS,
      deploymentTimeoutHours: config.DEPLOYMENT_TIMEOUT_HOURS,
    });
    const http = await serveHttp(platform, {
      name: 'modelog',
      title: 'Modelog',
      host: config.HOST,
      port: config.PORT,
      corsOrigins: config.CORS_ORIGINS,
      identity,
      routes(server) {
        commandApi.routes(server);
        projector.routes(server);
        retention.routes(server);
      },
      bareRoutes(server) {
        commandApi.bareRoutes(server);
        projector.bareRoutes(server);
        retention.routes(server);
      },
      dependencies: async () => ({
        ...(await commandApi.health()),
        ...(await projector.health()),
        ...retention.health(),
      }),
      endStreams: commandApi.endStreams,
    });

    address = http.address;
    retention.start();
    // retention asks over HTTP, so it ends before the server does
    closing.push(http.close, retention.stop);

    process.stdout.write(welcome({ address, dataDir, adminKey, parts }));
    return { stop: () => farewell(process.stdout, stop) };
  } catch (error) {
    await stop();
    throw error;
  }
});
