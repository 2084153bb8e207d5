// An operator's tasks at the command line: rebuild views, list what is parked, try it again.
import type { Pool } from 'pg';
import type { EventLog } from '#events/log.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import type { Values } from '#infra/settings.ts';
import { viewsMigrations } from './config.ts';
import type { settings } from './config.ts';
import { prepareViews } from './generations.ts';
import { findParkedStreams, redrive } from './parking.ts';
import { rebuild } from './rebuild.ts';
import type { RebuildProgress } from './rebuild.ts';
import { findViewPosition } from './view-position.ts';
import { views } from './views.ts';
import { openWriter } from './writer.ts';
import type { Writer } from './writer.ts';

const tasks = ['rebuild', 'parked', 'redrive'] as const;
export type Task = (typeof tasks)[number];
export const isTask = (word: string): word is Task => tasks.some((task) => task === word);

type Config = Pick<
  Values<typeof settings>,
  'DATABASE_URL' | 'DATABASE_POOL_SIZE' | 'KAFKA_BROKERS' | 'KAFKA_TOPIC_PREFIX'
>;
type Parts = { databaseUrl: string; pool: Pool; log: EventLog; topic: string };

/** Where no person watches, a line so often is enough. */
const lineIntervalMs = 5_000;

/** What breaks fails what is under way too, and that is told. */
const onError = (): void => undefined;

/** Connects to the database and brings it to the newest migrations. */
async function open(config: Config): Promise<Parts> {
  const { DATABASE_URL: databaseUrl } = config;
  for (const migrations of [logMigrations, viewsMigrations]) await migrate(databaseUrl, migrations);
  const pool = openPool({
    url: databaseUrl,
    name: 'modelog-projector',
    role: 'modelog_service',
    size: config.DATABASE_POOL_SIZE,
    onError,
  });
  const log = openPostgresLog({ url: databaseUrl, pool, failpoint: () => undefined, onError });
  // a task asks nothing of Kafka; it only knows what the topic is called there
  const topics = topicsOf(config.KAFKA_BROKERS ? config.KAFKA_TOPIC_PREFIX : '');
  return { databaseUrl, pool, log, topic: topics.modelLifecycle.topic };
}

/**
 * Does the task, and tells of it on standard output. Its connections last as long as the process.
 * @throws what a person should read
 */
export async function runTask(
  task: Task,
  argument: string | undefined,
  config: Config,
): Promise<void> {
  const parts = await open(config);
  const writer = openWriter({ url: parts.databaseUrl, name: 'modelog-task', onError });
  try {
    await prepareViews(writer, views);
    if (task === 'rebuild') await rebuildViews(argument, parts);
    else if (task === 'parked') await listParked(writer);
    else await redriveParked(argument ?? null, writer, parts.log);
  } finally {
    await writer.close();
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function rebuildViews(name: string | undefined, parts: Parts): Promise<void> {
  const rebuilt = name === 'all' ? views : views.filter((view) => view.name === name);
  if (rebuilt.length === 0)
    throw new Error(`rebuild which? all, ${views.map((view) => view.name).join(', ')}`);
  const { databaseUrl: url, pool, log, topic } = parts;
  const report = await rebuild({
    url,
    log,
    views,
    rebuilt,
    servingPosition: () =>
      findViewPosition({ views: pool, log: pool, topic, onServing: () => undefined }),
    onProgress: showProgress(process.stdout.isTTY),
  });
  const rate = Math.round(report.events / report.seconds);
  print(`${report.events} events in ${report.seconds.toFixed(1)} s (${rate}/s)`);
  if (report.differences.length === 0) print('The views that served were equal.');
  else print('The views that served were otherwise here (some rows of each view):');
  for (const { view, row, in: where } of report.differences)
    print(`  ${view}  ${row}  ${where === 'both' ? 'other contents' : `only in the ${where} one`}`);
}

function showProgress(isTerminal: boolean): (progress: RebuildProgress) => void {
  let shownAt = Number.NEGATIVE_INFINITY;
  let step = '';
  return (progress) => {
    const line = lineOf(progress);
    if (isTerminal)
      return void process.stdout.write(`\r\u001b[K${line}${isLast(progress) ? '\n' : ''}`);
    const now = performance.now();
    if (progress.step === step && now - shownAt < lineIntervalMs) return;
    shownAt = now;
    step = progress.step;
    print(line);
  };
}

const isLast = ({ step }: RebuildProgress): boolean => step === 'dropping old tables';

function lineOf(progress: RebuildProgress): string {
  if (progress.step !== 'folding') return progress.step;
  const { position, head, seconds } = progress;
  const rate = seconds === 0 ? 0 : position / seconds;
  const left = rate === 0 ? '?' : Math.ceil((head - position) / rate);
  const percent = head === 0 ? 100 : Math.floor((position / head) * 100);
  return `folding  ${percent} %  ${position} of ${head} events  ${Math.round(rate)}/s  ${left} s left`;
}

async function listParked(writer: Writer): Promise<void> {
  const parked = await findParkedStreams(writer);
  if (parked.length === 0) print('No stream is parked.');
  for (const { stream, version, event_type, reason, parked_at, waiting } of parked)
    print(
      `${stream}  version ${version} (${event_type})  ${waiting} waiting  since ${parked_at.toISOString()}\n  ${reason}`,
    );
}

async function redriveParked(
  stream: string | null,
  writer: Writer,
  log: Pick<EventLog, 'readStream'>,
): Promise<void> {
  const redriven = await redrive({ writer, log, views, stream });
  if (redriven.length === 0) print(stream === null ? 'No stream is parked.' : 'It is not parked.');
  for (const { stream: name, events, stillParked } of redriven)
    print(
      `${name}  ${events} events applied${stillParked === null ? '' : `, parked again: ${stillParked}`}`,
    );
}
