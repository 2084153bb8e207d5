// The projector as a process of its own: it serves, or does one of an operator's tasks.
import { openKafka } from '#infra/kafka/open.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import { runningLocalPostgres } from '#infra/local/postgres.ts';
import { openPlatform, serveHttp } from '#infra/platform.ts';
import type { Platform } from '#infra/platform.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations } from '#infra/postgres/migrate.ts';
import { readSettings, runService } from '#infra/process.ts';
import type { Running } from '#infra/process.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { projectorApp, viewsMigrations } from './app.ts';
import { settings } from './config.ts';
import { isTask, runTask } from './tasks.ts';

const usage = `npm run start:projector: folds events into views, and answers reads from them
npm run projector -- rebuild <view | all>: builds views anew beside those that serve, and switches
npm run projector -- parked: lists the streams with an event that cannot be applied
npm run projector -- redrive [stream]: tries them again`;

// Settings are read from what is left: a task's words are not options.
const [task, argument] = process.argv[2]?.startsWith('-') ? [] : process.argv.splice(2);
const { values: config } = readSettings(usage, settings);

type Parts = { platform: Platform; log: ReturnType<typeof openPostgresLog> };

async function open(databaseUrl: string | null | undefined): Promise<Parts> {
  if (!databaseUrl)
    throw new Error(
      'DATABASE_URL is needed; a task also finds the PostgreSQL of an `npm start` that runs, by DATA_DIR',
    );
  const logger = openLogger(config.LOG_LEVEL);
  const platform = await openPlatform({
    name: 'modelog-projector',
    databaseUrl,
    poolSize: config.DATABASE_POOL_SIZE,
    logger,
    migrations: [logMigrations, viewsMigrations],
  });
  const log = openPostgresLog({
    ...platform,
    url: databaseUrl,
    onError: (error) => logger.warn({ err: error }, 'the log connection broke'),
  });
  return { platform, log };
}

function openKafkaOf({ logger }: Platform): Kafka | null {
  return openKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: 'modelog-projector',
    schemaRegistryUrl: config.SCHEMA_REGISTRY_URL,
    topicPrefix: config.KAFKA_TOPIC_PREFIX,
    logger,
    // said by the broker; whoever watches the process starts it anew
    onCrash: () => process.exit(1),
  });
}

async function serve(): Promise<Running> {
  const { platform, log } = await open(config.DATABASE_URL);
  const app = projectorApp({
    ...platform,
    log,
    kafka: openKafkaOf(platform),
    threadLogLevel: config.LOG_LEVEL,
  });
  await app.start();
  const http = await serveHttp(platform, {
    name: 'projector',
    title: 'Modelog reads',
    host: config.HOST,
    port: config.PORT,
    routes: app.routes,
    bareRoutes: app.bareRoutes,
    dependencies: app.health,
  });
  platform.logger.info({ address: http.address }, 'projector listens');
  return {
    async stop() {
      await http.close();
      await app.stop();
      await log.close();
      await platform.close();
    },
  };
}

/** A task can be cut at any moment, and then has changed nothing or all; a service ends what it has begun. */
async function work(asked: string): Promise<void> {
  try {
    if (!isTask(asked)) throw new Error(`unknown task "${asked}"\n\n${usage}`);
    const databaseUrl = config.DATABASE_URL ?? (await runningLocalPostgres(config.DATA_DIR));
    const { platform, log } = await open(databaseUrl);
    await runTask(asked, argument, { ...platform, log, kafka: openKafkaOf(platform) });
    process.exit(0);
  } catch (error) {
    process.stderr.write(`Modelog: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

await (task === undefined ? runService(serve) : work(task));
