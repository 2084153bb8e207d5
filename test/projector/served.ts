// The command API and the projector behind one real HTTP server, as `npm start` has them.
import { Client } from 'pg';
import { registryRetention } from '#events/policy/retention.ts';
import { openKeyring } from '#infra/auth/keys.ts';
import type { TokenVerifiers } from '#infra/auth/keys.ts';
import { buildServer } from '#infra/http/server.ts';
import type { RouteAccess } from '#infra/http/server.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import { openAuditRecords } from '#infra/postgres/audit.ts';
import { openDatabaseClock } from '#infra/postgres/clock.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { Registry, requestMetrics } from '#infra/telemetry/metrics.ts';
import { commandApiApp } from '#services/command-api/app.ts';
import { projectorApp } from '#services/projector/app.ts';
import { viewsMigrations } from '#services/projector/config.ts';
import { retentionByHttp, retentionMigrations } from '#services/retention/app.ts';
import { freshDatabase } from '#test/real/postgres.ts';

const adminKey = 'admin-key-of-a-test-0123456789abcdef';

export type Answer = { status: number; headers: Headers; body: Record<string, never> };

/** @param options.beside serve the database of another one, which must be stopped after this one */
export async function serveRegistry(
  options: { kafka?: Kafka | null; identity?: TokenVerifiers; beside?: { url: string } } = {},
) {
  const { kafka = null, identity = { tokens: null, oidc: null } } = options;
  const database =
    options.beside === undefined
      ? await freshDatabase()
      : { ...options.beside, drop: () => Promise.resolve() };
  const { url } = database;
  await migrate(url, logMigrations);
  await migrate(url, viewsMigrations);
  await migrate(url, retentionMigrations);
  const logger = openLogger('silent');
  const onError = (): void => undefined;
  const pool = openPool({ url, name: 'test', role: 'modelog_service', size: 10, onError });
  const clock = await openDatabaseClock(pool, onError);
  const follower = followHead({ url, onError });
  const registry = new Registry();
  const common = { databaseUrl: url, pool, follower, clock, registry, logger };
  const failpoint = (): void => undefined;
  const commandApi = commandApiApp({
    ...common,
    kafka,
    failpoint,
    tokens: identity.tokens,
    kept: registryRetention(),
    modelTypes: [],
  });
  await commandApi.start({ adminKey, serviceKey: undefined });
  const { log } = commandApi;
  const projector = projectorApp({ ...common, log, kafka, failpoint });
  await projector.start();
  // it answers, and does not sweep
  const retention = retentionByHttp({
    ...common,
    log,
    kafka: null,
    failpoint,
    kept: registryRetention(),
    deploymentTimeoutHours: 24,
    sweepSeconds: 60,
    commandApiUrl: () => '',
    serviceKey: '',
  });
  const audit = openAuditRecords(pool, onError);
  const server = buildServer({
    logger,
    keyring: openKeyring(pool, identity),
    audit,
    metrics: requestMetrics(new Registry()),
  });
  const routes: { method: string; url: string; permission: RouteAccess }[] = [];
  server.addHook('onRoute', (route) => {
    for (const method of [route.method].flat())
      routes.push({ method, url: route.url, permission: route.config!.permission! });
  });
  await server.register(
    async (scope) => {
      commandApi.routes(scope);
      projector.routes(scope);
      retention.routes(scope);
    },
    { prefix: '/api/v1' },
  );
  await server.register(async (scope) => {
    commandApi.bareRoutes(scope);
    projector.bareRoutes(scope);
    retention.routes(scope);
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });

  async function call(
    method: string,
    path: string,
    body?: object,
    key = adminKey,
    prefix = '/api/v1',
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`${address}${prefix}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Record<string, never>,
    };
  }

  return {
    url,
    pool,
    log,
    registry,
    /** Every route that is served. */
    routes,
    projector,
    call,
    commandApi,
    /** At the paths that documents [2] and [3] use. */
    bare: (method: string, path: string, body?: object) => call(method, path, body, adminKey, ''),
    /** A request with headers of its own, a GET unless it says otherwise, and the answer as it came. */
    fetch: (
      path: string,
      headers: Record<string, string>,
      more: { method?: string; body?: string } = {},
    ): Promise<Response> =>
      fetch(`${address}/api/v1${path}`, {
        ...more,
        headers: { authorization: `Bearer ${adminKey}`, ...headers },
      }),
    get: (path: string, key?: string) => call('GET', path, undefined, key),
    post: (path: string, body: object) => call('POST', path, body),
    /** Keeps the projection from writing its next batch until what it returns is called. */
    async holdViews(): Promise<() => Promise<void>> {
      const holder = new Client({ connectionString: url });
      // a test that fails leaves it to the end of its database
      holder.on('error', () => undefined);
      await holder.connect();
      await holder.query('begin; select from views.offsets for update');
      return () => holder.end();
    },
    async stop(): Promise<void> {
      await server.close();
      await audit.close();
      await projector.stop();
      await commandApi.stop();
      await follower.close();
      clock.close();
      await pool.end();
      await database.drop();
    },
  };
}

export type ServedRegistry = Awaited<ReturnType<typeof serveRegistry>>;
