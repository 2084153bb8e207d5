// The projector as a process of its own: it serves, or does one of an operator's tasks.
import { tokenVerifiersOf } from '#infra/auth/settings.ts';
import { runningLocalPostgres } from '#infra/local/postgres.ts';
import { openReaderPlatform, serveHttp } from '#infra/platform.ts';
import type { ReaderPlatform } from '#infra/platform.ts';
import { readSettings, runService } from '#infra/process.ts';
import type { Running } from '#infra/process.ts';
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

async function open(databaseUrl: string | null | undefined): Promise<ReaderPlatform> {
  if (!databaseUrl)
    throw new Error(
      'DATABASE_URL is needed; a task also finds the PostgreSQL of an `npm start` that runs, by DATA_DIR',
    );
  return await openReaderPlatform({
    name: 'modelog-projector',
    config,
    databaseUrl,
    schemaRegistryUrl: config.SCHEMA_REGISTRY_URL,
    migrations: viewsMigrations,
  });
}

async function serve(): Promise<Running> {
  const platform = await open(config.DATABASE_URL);
  const app = projectorApp({ ...platform, threadLogLevel: config.LOG_LEVEL });
  await app.start();
  const http = await serveHttp(platform, {
    name: 'projector',
    title: 'Modelog reads',
    host: config.HOST,
    port: config.PORT,
    identity: tokenVerifiersOf(config),
    routes: app.routes,
    bareRoutes: app.bareRoutes,
    dependencies: app.health,
  });
  platform.logger.info({ address: http.address }, 'projector listens');
  return {
    async stop() {
      await http.close();
      await app.stop();
      await platform.close();
    },
  };
}

/** A task can be cut at any moment, and then has changed nothing or all; a service ends what it has begun. */
async function work(asked: string): Promise<void> {
  try {
    if (!isTask(asked)) throw new Error(`unknown task "${asked}"\n\n${usage}`);
    const databaseUrl = config.DATABASE_URL ?? (await runningLocalPostgres(config.DATA_DIR));
    await runTask(asked, argument, await open(databaseUrl));
    process.exit(0);
  } catch (error) {
    process.stderr.write(`Modelog: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

await (task === undefined ? runService(serve) : work(task));
