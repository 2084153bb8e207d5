// The projector as a process of its own: it serves, or does one of an operator's tasks. Each loads what it needs, so that a task,
// which a person waits for, does not begin with half a second of a web server and of Kafka.
import { readSettings, runService, tell } from '#infra/process.ts';
import { settings, taskSettings } from './config.ts';

const usage = `npm run start:projector: folds events into views, and answers reads from them
npm run projector -- rebuild <view | all>: builds views anew beside those that serve, and switches
npm run projector -- parked: lists the streams with an event that cannot be applied
npm run projector -- redrive [stream]: tries them again`;

// Settings are read from what is left: a task's words are not options.
const [task, argument] = process.argv[2]?.startsWith('-') ? [] : process.argv.splice(2);

/** Of the PostgreSQL that an `npm start` runs, where none is named. */
async function localDatabaseUrl(dataDir: string): Promise<string> {
  const { runningLocalPostgres } = await import('#infra/local/postgres.ts');
  const url = await runningLocalPostgres(dataDir);
  if (!url)
    throw new Error(
      'DATABASE_URL is needed; a task also finds the PostgreSQL of an `npm start` that runs, by DATA_DIR',
    );
  return url;
}

/** A task can be cut at any moment, and then has changed nothing or all; a service ends what it has begun. */
async function work(asked: string): Promise<void> {
  const { values: config } = readSettings(usage, taskSettings);
  try {
    const { isTask, runTask } = await import('./tasks.ts');
    if (!isTask(asked)) throw new Error(`unknown task "${asked}"\n\n${usage}`);
    const databaseUrl = config.DATABASE_URL ?? (await localDatabaseUrl(config.DATA_DIR));
    await runTask(asked, argument, { ...config, DATABASE_URL: databaseUrl });
    process.exit(0);
  } catch (error) {
    tell(error);
    process.exit(1);
  }
}

async function serve(): Promise<void> {
  const { values: config } = readSettings(usage, settings);
  await runService(async (giveUp) => (await import('./serve.ts')).serve(config, giveUp));
}

await (task === undefined ? serve() : work(task));
