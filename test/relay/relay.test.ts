// The relay on a real PostgreSQL and a real Kafka: whatever happens to it, the topic equals the log.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import kafkajs from 'kafkajs';
import { Client } from 'pg';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { EventLog } from '#events/log.ts';
import { modelStream } from '#events/names.ts';
import { avroCodec } from '#infra/kafka/avro-codec.ts';
import { createBroker } from '#infra/kafka/broker.ts';
import { registerSchemas } from '#infra/kafka/register-schemas.ts';
import type { TopicSpec } from '#infra/kafka/port.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import type { PostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { checkTopic, readTopic } from '#test/checker/topic.ts';
import { eventually } from '#test/eventually.ts';
import { openKafkaProxy } from '#test/faults/kafka-proxy.ts';
import { openFaultProxy } from '#test/faults/proxy.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';
import { schemaRegistryUrl } from '#test/real/schema-registry.ts';
import { append, appendModels, appendTenant } from './history.ts';
import { startRelay } from './running.ts';
import type { RunningRelay } from './running.ts';

/** A fault that is healed is forgotten within this time. */
const healed = { timeoutMs: 30_000, intervalMs: 50 };

let admin: kafkajs.Admin;
let database: FreshDatabase;
let pool: Pool;
let log: PostgresLog;
let prefix: string;
let topic: TopicSpec;
/** What a test has to end, the latest first. */
const ends: (() => Promise<unknown> | void)[] = [];

const fail = (error: Error): never => {
  throw error;
};

beforeAll(async () => {
  admin = new kafkajs.Kafka({
    brokers: kafkaBrokers(),
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin();
  await admin.connect();
});
afterAll(() => admin.disconnect());

beforeEach(async () => {
  database = await freshDatabase();
  ends.push(() => database.drop());
  ({ pool, log } = await openLog(database));
  prefix = topicPrefix();
  topic = topicsOf(prefix).modelLifecycle;
  ends.push(() => admin.deleteTopics({ topics: [topic.topic] }).catch(() => undefined));
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function openLog({ url }: FreshDatabase): Promise<{ pool: Pool; log: PostgresLog }> {
  await migrate(url, logMigrations);
  const opened = openPool({ url, name: 'test', role: 'modelog_service', size: 2, onError: fail });
  const openedLog = openPostgresLog({
    url,
    pool: opened,
    failpoint: () => undefined,
    onError: fail,
  });
  ends.push(async () => {
    await openedLog.close();
    await opened.end();
  });
  return { pool: opened, log: openedLog };
}

function relayOf(options: Partial<Parameters<typeof startRelay>[0]> = {}): RunningRelay {
  const relay = startRelay({
    databaseUrl: database.url,
    brokers: kafkaBrokers(),
    prefix,
    ...options,
  });
  ends.push(() => relay.stop());
  return relay;
}

/** A relay as a process, in which a failpoint may fire; `said` are the messages of its log. */
function relayProcess(failpoint?: string): {
  child: ChildProcess;
  said: string[];
  hasFired: () => boolean;
} {
  const proof = path.join(os.tmpdir(), `relay-${randomUUID()}`);
  const env = { ...process.env, MODELOG_FAILPOINT: failpoint, MODELOG_FAILPOINT_PROOF: proof };
  const { pathname } = new URL('./relay-process.ts', import.meta.url);
  const args = [pathname, database.url, prefix, ...kafkaBrokers()];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) =>
    said.push((JSON.parse(line) as { msg: string }).msg),
  );
  ends.push(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    fs.rmSync(proof, { force: true });
  });
  return { child, said, hasFired: () => fs.existsSync(proof) };
}

type State = { position: number; epoch: number; holder: string | null };

async function state(): Promise<State> {
  const { rows } = await pool.query<{ position: string; epoch: string; holder: string | null }>(
    'select position, epoch, holder from log.relay_state where topic = $1',
    [topic.topic],
  );
  const [row] = rows;
  return {
    position: Number(row?.position ?? 0),
    epoch: Number(row?.epoch ?? 0),
    holder: row?.holder ?? null,
  };
}

const caughtUp = async (source: EventLog = log) =>
  (await state()).position === (await source.head()).position;

const detailOf = (relay: RunningRelay): string => relay.health().detail ?? '';

const violations = () => checkTopic({ databaseUrl: database.url, brokers: kafkaBrokers(), topic });

const messageCount = async () => (await readTopic(kafkaBrokers(), topic)).length;

/** Changes a row as only the database's owner can. */
async function asOwner(sql: string, values: unknown[] = []): Promise<void> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(sql, values);
  await client.end();
}

test('what was in the log before, and what comes, is on the topic, but nothing of tenants', async () => {
  await appendTenant(log);
  const before = await appendModels(log, { models: 30, eventsEach: 4 });
  const relay = relayOf();
  await eventually(caughtUp, healed);
  const later = await appendModels(log, { models: 300, eventsEach: 4 });
  await appendTenant(log);
  await eventually(caughtUp);
  expect(await violations()).toEqual([]);
  expect(await messageCount()).toBe(before + later);
  expect(relay.health()).toEqual({ status: 'up', role: 'leader' });
  expect(await relay.metric('modelog_relay_sent_total')).toBe(before + later);
  expect(await relay.metric('modelog_relay_leader')).toBe(1);
  expect(await relay.metric('modelog_relay_lag_events')).toBe(0);
  expect(await relay.metric('modelog_relay_lag_seconds')).toBe(0);
});

test('a relay that is started again goes on where the last one stopped', async () => {
  const before = await appendModels(log, { models: 20, eventsEach: 2 });
  const first = relayOf();
  await eventually(caughtUp, healed);
  await first.stop();
  expect(first.health()).toMatchObject({ role: 'stopped' });
  const later = await appendModels(log, { models: 20, eventsEach: 2 });
  relayOf();
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
  expect(await messageCount()).toBe(before + later);
});

test('events of the largest size go through, also when all are of one stream', async () => {
  const stream = modelStream('default', randomUUID());
  for (let version = 0; version < 6; version++)
    await append(log, [stream], version, {
      type: 'model.registered',
      data: { description: 'd'.repeat(500 * 1024) },
    });
  relayOf();
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
});

test('killed after a send and before its checkpoint: the batch comes twice, and nothing is missing', async () => {
  const appended = await appendModels(log, { models: 400, eventsEach: 4 });
  const { child, hasFired } = relayProcess('relay:after-send=kill@2');
  await once(child, 'exit');
  expect(hasFired()).toBe(true);
  expect((await state()).position).toBe(500);
  relayOf();
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
  expect(await messageCount()).toBe(appended + 500);
});

test('killed after a read: nothing is missing, and nothing comes twice', async () => {
  const appended = await appendModels(log, { models: 400, eventsEach: 4 });
  const { child, hasFired } = relayProcess('relay:after-read=kill@2');
  await once(child, 'exit');
  expect(hasFired()).toBe(true);
  relayOf();
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
  expect(await messageCount()).toBe(appended);
});

test('of two relays one leads, and the other follows at once when it stops', async () => {
  const relays = [relayOf(), relayOf()];
  const roles = () => relays.map((relay) => relay.health().role).sort();
  await eventually(() => roles().join() === 'leader,standby', healed);
  await eventually(() => relays.every((relay) => relay.health().status === 'up'), healed);
  const first = await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(caughtUp);
  const leader = relays.find((relay) => relay.health().role === 'leader')!;
  await leader.stop();
  const second = await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(caughtUp, healed);
  expect(roles()).toEqual(['leader', 'stopped']);
  expect(await violations()).toEqual([]);
  expect(await messageCount()).toBe(first + second);
});

test('a leader that is stopped for a while is deposed, and its late batch moves no checkpoint', async () => {
  const appended = await appendModels(log, { models: 400, eventsEach: 4 });
  const zombie = relayProcess('relay:after-read=wait:3000@2');
  await eventually(zombie.hasFired, healed);
  zombie.child.kill('SIGSTOP');
  const before = await state();
  expect(before.position).toBe(500);
  relayOf();
  await eventually(caughtUp, healed);
  const after = await state();
  expect(after.epoch).toBeGreaterThan(before.epoch);
  expect(await messageCount()).toBe(appended);
  zombie.child.kill('SIGCONT');
  await eventually(() => zombie.said.includes('no longer the leader'), healed);
  expect(await state()).toEqual(after);
  expect(await messageCount()).toBe(appended + 500);
  expect(await violations()).toEqual([]);
});

test('while Kafka is away the lag grows, and everything drains in order later', async () => {
  const proxy = await openKafkaProxy(kafkaBrokers()[0]!);
  ends.push(() => proxy.close());
  const relay = relayOf({ brokers: [`${proxy.host}:${proxy.port}`] });
  await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(caughtUp, healed);
  proxy.set({ fault: 'cut' });
  const missed = await appendModels(log, { models: 300, eventsEach: 4 });
  await eventually(() => relay.health().status === 'down', healed);
  expect(proxy.struck()).toBeGreaterThan(0);
  expect(await relay.metric('modelog_relay_lag_events')).toBe(missed);
  expect(await relay.metric('modelog_relay_lag_seconds')).toBeGreaterThan(0);
  expect(await relay.metric('modelog_relay_refusing')).toBe(0);
  proxy.set({ fault: 'none' });
  await eventually(caughtUp, healed);
  await eventually(() => relay.health().status === 'up');
  expect(await violations()).toEqual([]);
});

test('Kafka may be away when the relay starts', async () => {
  const proxy = await openKafkaProxy(kafkaBrokers()[0]!);
  ends.push(() => proxy.close());
  proxy.set({ fault: 'cut' });
  const relay = relayOf({ brokers: [`${proxy.host}:${proxy.port}`] });
  await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(() => proxy.struck() > 0, healed);
  expect(relay.health().status).toBe('down');
  proxy.set({ fault: 'none' });
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
});

test('answers of Kafka that are lost leave repeated events, and none is missing', async () => {
  const proxy = await openKafkaProxy(kafkaBrokers()[0]!);
  ends.push(() => proxy.close());
  relayOf({ brokers: [`${proxy.host}:${proxy.port}`] });
  await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(caughtUp, healed);
  proxy.set({ fault: 'drop-answers' });
  await appendModels(log, { models: 300, eventsEach: 4 });
  await eventually(() => proxy.struck() > 0);
  proxy.set({ fault: 'none' });
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
});

test('a broker that falls silent is given up, and a stop need not wait for it', async () => {
  const proxy = await openKafkaProxy(kafkaBrokers()[0]!);
  ends.push(() => proxy.close());
  const relay = relayOf({ brokers: [`${proxy.host}:${proxy.port}`] });
  await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(caughtUp, healed);
  proxy.set({ fault: 'black-hole' });
  await appendModels(log, { models: 300, eventsEach: 4 });
  await eventually(() => relay.health().status === 'down', healed);
  await relay.stop();
  proxy.set({ fault: 'none' });
  relayOf();
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
});

test('a database that falls silent is given up, and the relay goes on when it answers again', async () => {
  const { hostname, port } = new URL(database.url);
  const proxy = await openFaultProxy({ host: hostname, port: Number(port) });
  ends.push(() => proxy.close());
  const url = new URL(database.url);
  url.host = `${proxy.host}:${proxy.port}`;
  const relay = relayOf({ databaseUrl: url.href });
  await appendModels(log, { models: 20, eventsEach: 2 });
  await eventually(caughtUp, healed);
  proxy.set({ fault: 'black-hole' });
  await appendModels(log, { models: 300, eventsEach: 4 });
  await eventually(() => relay.health().status === 'down', healed);
  expect(proxy.struck()).toBeGreaterThan(0);
  proxy.set({ fault: 'none' });
  await eventually(caughtUp, healed);
  await eventually(() => relay.health().status === 'up', healed);
  expect(await violations()).toEqual([]);
});

/** Deletes the topic, and waits until Kafka has forgotten it. */
async function deleteTopic(): Promise<void> {
  await admin.deleteTopics({ topics: [topic.topic] });
  await eventually(async () => !(await admin.listTopics()).includes(topic.topic), healed);
}

test('a topic that is deleted while events come is made anew and published from the beginning', async () => {
  const before = await appendModels(log, { models: 100, eventsEach: 2 });
  relayOf();
  await eventually(caughtUp, healed);
  await admin.deleteTopics({ topics: [topic.topic] });
  const later = await appendModels(log, { models: 100, eventsEach: 2 });
  await eventually(async () => (await caughtUp()) && (await violations()).length === 0, healed);
  expect(await messageCount()).toBeGreaterThanOrEqual(before + later);
});

test('a topic that is deleted while nothing happens is published again all the same', async () => {
  const appended = await appendModels(log, { models: 100, eventsEach: 2 });
  const lines: string[] = [];
  relayOf({ logger: pino({}, { write: (line) => lines.push(line) }) });
  await eventually(caughtUp, healed);
  await deleteTopic();
  await eventually(async () => (await violations()).length === 0, healed);
  expect(await messageCount()).toBe(appended);
  expect(lines.join('')).toContain('the topic was made anew: publishing again from position 1');
});

test('a topic that has grown past its old end is known for a new one by what lies there', async () => {
  const appended = await appendModels(log, { models: 400, eventsEach: 1 });
  const relay = relayOf();
  await eventually(caughtUp, healed);
  await relay.stop();
  // As if the mark had been left on the topic before this one.
  const [first] = await readTopic(kafkaBrokers(), topic);
  const mark = { position: Number(first!.headers['ce_position']) + 1, offset: first!.offset };
  await asOwner('update log.relay_state set partitions = $1', [{ [first!.partition]: mark }]);
  relayOf();
  await eventually(async () => (await messageCount()) === 2 * appended, healed);
  expect(await violations()).toEqual([]);
});

test('a changed partition count is refused with the reason, until the topic is deleted', async () => {
  await admin.createTopics({ topics: [{ topic: topic.topic, numPartitions: 3 }] });
  const relay = relayOf();
  await appendModels(log, { models: 10, eventsEach: 2 });
  await eventually(() => detailOf(relay).includes('3 partitions where 12 are expected'));
  expect(relay.health().status).toBe('down');
  expect(await relay.metric('modelog_relay_refusing')).toBe(1);
  expect((await state()).position).toBe(0);
  await deleteTopic();
  await eventually(caughtUp, healed);
  expect(await violations()).toEqual([]);
  expect(await relay.metric('modelog_relay_refusing')).toBe(0);
});

test('a log that lacks what is on the topic, as a restored backup does, is not published', async () => {
  await appendModels(log, { models: 10, eventsEach: 2 });
  const relay = relayOf();
  await eventually(caughtUp, healed);
  await relay.stop();
  const published = await messageCount();

  const restored = await freshDatabase();
  ends.push(() => restored.drop());
  const other = await openLog(restored);
  await appendModels(other.log, { models: 30, eventsEach: 2 });
  const refusing = relayOf({ databaseUrl: restored.url });
  await eventually(() => detailOf(refusing).includes('history went back'), healed);
  expect(refusing.health().status).toBe('down');
  expect(await refusing.metric('modelog_relay_refusing')).toBe(1);
  expect(await messageCount()).toBe(published);

  await deleteTopic();
  await eventually(async () => (await refusing.metric('modelog_relay_lag_events')) === 0, healed);
  expect(await checkTopic({ databaseUrl: restored.url, brokers: kafkaBrokers(), topic })).toEqual(
    [],
  );
});

test('an event of somebody else, far from all that the log has, stops no relay', async () => {
  await appendModels(log, { models: 10, eventsEach: 2 });
  const first = relayOf();
  await eventually(caughtUp, healed);
  await first.stop();
  await sendForeign('model:default:elsewhere', 2_000_000);
  await sendForeign('model:default:another', 3);
  const second = relayOf();
  await appendModels(log, { models: 1, eventsEach: 2 });
  await eventually(caughtUp, healed);
  expect(second.health().status).toBe('up');
});

test('a log that was begun anew beside an old topic is not published, wherever the topic is', async () => {
  await appendModels(log, { models: 10, eventsEach: 2 });
  await sendForeign('model:default:elsewhere', 5_000, 5_001, 5_002);
  const relay = relayOf();
  await eventually(() => detailOf(relay).includes('history went back'), healed);
  expect(await messageCount()).toBe(3);
});

/** Events of a stream that the log does not know, at these positions. */
async function sendForeign(stream: string, ...positions: readonly number[]): Promise<void> {
  const broker = createBroker({
    brokers: kafkaBrokers(),
    clientId: 'foreign',
    log: pino({ level: 'silent' }),
  });
  await broker.ensureTopics([topic]);
  const producer = await broker.createProducer();
  await producer.send(
    topic.topic,
    positions.map((position) => ({
      key: stream,
      value: '{}',
      headers: { ce_source: 'modelog', ce_id: randomUUID(), ce_position: String(position) },
    })),
  );
  await producer.close();
}

test('a log whose last published event is another, or is gone, is not published', async () => {
  await appendModels(log, { models: 10, eventsEach: 2 });
  const first = relayOf();
  await eventually(caughtUp, healed);
  await first.stop();
  await asOwner('update log.relay_state set event_id = gen_random_uuid()');
  const second = relayOf();
  await eventually(() => detailOf(second).includes('where the log has'), healed);
  await second.stop();
  await asOwner('update log.relay_state set position = 1000');
  const third = relayOf();
  await eventually(() => detailOf(third).includes('where the log has nothing'), healed);
  expect(await messageCount()).toBe(20);
});

test('a leader notices that the database was put back beneath it', async () => {
  await appendModels(log, { models: 10, eventsEach: 2 });
  const relay = relayOf();
  await eventually(caughtUp, healed);
  await asOwner(
    `update log.relay_state set position = 1, event_id = (select event_id from log.events where position = 1)`,
  );
  await eventually(async () => (await state()).epoch === 2, healed);
  await eventually(caughtUp, healed);
  expect(relay.health().status).toBe('up');
  expect(await violations()).toEqual([]);
});

test('with Avro it stops at the first event without a registered schema, says what to run, and goes on', async () => {
  const url = await schemaRegistryUrl();
  const codec = avroCodec({ url, topic: topic.topic });
  const relay = relayOf({ codec });
  const tenants = await appendTenant(log);
  await appendModels(log, { models: 10, eventsEach: 4 });
  await eventually(() => detailOf(relay).includes('run "npm run schemas"'), healed);
  expect((await state()).position).toBe(tenants);
  await registerSchemas(url, topic.topic, () => undefined);
  await eventually(caughtUp, healed);
  expect(
    await checkTopic({ databaseUrl: database.url, brokers: kafkaBrokers(), topic, codec }),
  ).toEqual([]);
  await eventually(() => relay.health().status === 'up');
});

test('a failure between send and checkpoint ends in another try, and health says so meanwhile', async () => {
  await appendModels(log, { models: 100, eventsEach: 2 });
  const relay = relayOf({ environment: { MODELOG_FAILPOINT: 'relay:after-send=throw' } });
  await eventually(() => relay.health().detail === 'failpoint relay:after-send', healed);
  await eventually(caughtUp, healed);
  expect(await messageCount()).toBe(400);
  expect(await violations()).toEqual([]);
});
