// A real command API on a database of its own, with retention beside it that lives by a clock of the test's.
import { registryRetention } from '#events/policy/retention.ts';
import { openKeyring } from '#infra/auth/keys.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import { buildServer } from '#infra/http/server.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import { openDatabaseClock } from '#infra/postgres/clock.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { Registry, requestMetrics } from '#infra/telemetry/metrics.ts';
import { commandApiApp } from '#services/command-api/app.ts';
import { retentionApp, retentionMigrations } from '#services/retention/app.ts';
import { archiveBy } from '#services/retention/archive.ts';
import type { ArchiveVersion } from '#services/retention/archive.ts';
import { orderByHttp } from '#services/retention/order.ts';
import { settleBy } from '#services/retention/promotion-requests.ts';
import { raiseSunsetBy } from '#services/retention/sunsets.ts';
import { timeOutBy } from '#services/retention/time-out.ts';
import { eventually } from '#test/eventually.ts';
import { freshDatabase } from '#test/real/postgres.ts';

export const adminKey = 'admin-key-of-a-test-0123456789abcdef';
export const serviceKey = 'service-key-of-a-test-0123456789abcdef';
const dayMs = 24 * 60 * 60 * 1_000;
/** The tests sweep when they say so. */
const sweepSeconds = 86_400;

export type Json = { [key: string]: unknown };

/** Starts PostgreSQL's tables, the command API on a free port, and what the tests need of both. */
export async function startRegistry() {
  const database = await freshDatabase();
  await migrate(database.url, logMigrations);
  await migrate(database.url, retentionMigrations);
  const logger = openLogger('silent');
  const onError = () => undefined;
  const pool = openPool({
    url: database.url,
    name: 'test',
    role: 'modelog_service',
    size: 10,
    onError,
  });
  const clock = await openDatabaseClock(pool, onError);
  const follower = followHead({ url: database.url, onError });
  const commandApi = commandApiApp({
    databaseUrl: database.url,
    pool,
    follower,
    clock,
    registry: new Registry(),
    logger,
    failpoint: () => undefined,
    kafka: null,
    tokens: null,
    kept: registryRetention(),
    modelTypes: [],
  });
  await commandApi.start({ adminKey, serviceKey });
  const server = buildServer({
    logger,
    keyring: openKeyring(pool),
    metrics: requestMetrics(new Registry()),
  });
  await server.register(async (scope) => commandApi.routes(scope), { prefix: '/api/v1' });
  const apiUrl = await server.listen({ host: '127.0.0.1', port: 0 });

  /** A call with the admin key, a POST where nothing else is said; the answer's body, or an error with it. */
  async function ask(path: string, body: object, method = 'POST'): Promise<Json> {
    const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
    const write = { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`${apiUrl}/api/v1${path}`, write);
    const answer = (await response.json()) as Json;
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  }

  const closers: (() => Promise<void>)[] = [];

  return {
    apiUrl,
    databaseUrl: database.url,
    pool,
    commandApi,
    ask,

    /** A model with so many versions. */
    async model(name: string, versions: number): Promise<void> {
      await ask('/models', { name });
      for (let made = 0; made < versions; made++) await ask(`/models/${name}/versions`, {});
    },

    /** Waits until every event is read and written down, so that the next sweep knows all that happened. */
    async hasRead(retention: { health: ReturnType<typeof retentionApp>['health'] }): Promise<void> {
      const { rows } = await pool.query<{ position: string }>('select position from log.log_head');
      const head = Number(rows[0]!.position);
      await eventually(async () => {
        const { rows: read } = await pool.query<{ next: string }>(
          "select next from retention.checkpoints where source = 'log'",
        );
        const isUp = retention.health()['retention']!.status === 'up';
        return Number(read[0]?.next ?? 0) >= head && isUp;
      });
    },

    /** What was archived, in the order of the log. */
    async archived(): Promise<
      { name: string; number: number; cause: string; rule: Json | null }[]
    > {
      const { rows } = await pool.query(
        `select (select r.data ->> 'name' from log.events r where r.stream = e.stream and r.version = 1) as name,
                (e.data ->> 'number')::int as number, e.data ->> 'cause' as cause, e.data -> 'rule' as rule
         from log.events e where e.type = 'model.archived' order by e.position`,
      );
      return rows;
    },

    /** Retention, reading and ready to sweep, at so many days from now. */
    retention(
      options: {
        newestKept?: number;
        archive?: (real: ArchiveVersion) => ArchiveVersion;
        failpoint?: Failpoint;
        kafka?: Pick<Kafka, 'broker' | 'topics' | 'groupPrefix'>;
      } = {},
    ) {
      const today = { days: 0 };
      const order = orderByHttp({ apiUrl: () => apiUrl, serviceKey });
      const real = archiveBy(order);
      const registry = new Registry();
      const app = retentionApp({
        pool,
        log: commandApi.log,
        kafka: options.kafka === undefined ? null : { ...options.kafka, onCrash: () => undefined },
        archive: options.archive?.(real) ?? real,
        timeOut: timeOutBy(order),
        raiseSunset: raiseSunsetBy(order),
        settle: settleBy(order),
        kept: registryRetention(options.newestKept),
        deploymentTimeoutHours: 24,
        clock: { now: () => new Date(Date.now() + today.days * dayMs) },
        sweepSeconds,
        registry,
        logger,
        failpoint: options.failpoint ?? (() => undefined),
      });
      app.start();
      const own = buildServer({
        logger,
        keyring: openKeyring(pool),
        metrics: requestMetrics(new Registry()),
      });
      void own.register(async (scope) => app.routes(scope), { prefix: '/api/v1' });
      closers.push(async () => {
        await own.close();
        await app.stop();
      });
      /** A GET of the service's own, with the admin key or another. */
      const get = async (url: string, key = adminKey): Promise<Json> => {
        const headers = { authorization: `Bearer ${key}` };
        return (await own.inject({ method: 'GET', url: `/api/v1${url}`, headers })).json();
      };
      return { ...app, get, registry, onDay: (days: number) => void (today.days = days) };
    },

    async stop(): Promise<void> {
      await Promise.all(closers.map((close) => close()));
      await server.close();
      await commandApi.stop();
      await follower.close();
      clock.close();
      await pool.end();
      await database.drop();
    },
  };
}

export type TestRegistry = Awaited<ReturnType<typeof startRegistry>>;
