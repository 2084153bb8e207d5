// Every route declares who may call it, and every call of the contract has a route.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Pool } from 'pg';
import { describe, expect, test } from 'vitest';
import { permissions } from '#events/access.ts';
import { AssertionFailed } from '#events/decider.ts';
import { registryRetention } from '#events/policy/retention.ts';
import { buildServer } from '#infra/http/server.ts';
import type { HttpServer, RouteAccess } from '#infra/http/server.ts';
import { openPool } from '#infra/postgres/connect.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { Registry, requestMetrics } from '#infra/telemetry/metrics.ts';
import { commandApiApp } from '#services/command-api/app.ts';
import { projectorApp } from '#services/projector/app.ts';
import { retentionByHttp } from '#services/retention/app.ts';

type Route = { method: string; url: string; permission: RouteAccess | undefined };

const logger = openLogger('silent');
// nothing is connected where routes are only registered
const databaseUrl = 'postgres://nobody@127.0.0.1:1/none';
const pool: Pool = openPool({
  url: databaseUrl,
  name: 'law',
  role: null,
  size: 1,
  onError: () => undefined,
});
const failpoint = () => undefined;
const follower: HeadFollower = {
  position: () => 0,
  beyond: () => Promise.reject(new Error('there is no log here')),
  subscribe: () => () => undefined,
  close: async () => undefined,
};
const clock: Clock = { now: () => new Date(0), close: () => undefined };
const kept = registryRetention();
const common = {
  databaseUrl,
  pool,
  follower,
  clock,
  logger,
  failpoint,
  kafka: null,
  tokens: null,
  kept,
  modelTypes: [],
};

const emptyServer = (): HttpServer =>
  buildServer({
    logger,
    keyring: { find: () => null, confirm: async () => null, moved: () => undefined },
    metrics: requestMetrics(new Registry()),
  });

async function routesOf(register: (server: HttpServer) => void, prefix = ''): Promise<Route[]> {
  const server = emptyServer();
  const routes: Route[] = [];
  server.addHook('onRoute', (route) => {
    for (const method of [route.method].flat())
      routes.push({ method, url: route.url, permission: route.config?.permission });
  });
  await server.register(async (scope) => register(scope), { prefix });
  await server.ready();
  return routes;
}

/** The routes of each service, by the name that it has behind the proxy. */
async function routesByService(): Promise<Record<string, Route[]>> {
  const commandApi = commandApiApp({ ...common, registry: new Registry() });
  const log = openPostgresLog({ url: databaseUrl, pool, failpoint, onError: () => undefined });
  const projector = projectorApp({ ...common, registry: new Registry(), log });
  const retention = retentionByHttp({
    ...common,
    registry: new Registry(),
    log,
    deploymentTimeoutHours: 24,
    sweepSeconds: 60,
    commandApiUrl: () => '',
    serviceKey: '',
  });
  const mounted = async (
    routes: (server: HttpServer) => void,
    bare: (server: HttpServer) => void,
  ) => (await Promise.all([routesOf(routes, '/api/v1'), routesOf(bare)])).flat();
  return {
    'command-api': await mounted(commandApi.routes, commandApi.bareRoutes),
    projector: await mounted(projector.routes, projector.bareRoutes),
    retention: await mounted(retention.routes, retention.routes),
  };
}

const everyRoute = async (): Promise<Route[]> => Object.values(await routesByService()).flat();

/** The calls of the REST contract that this version answers. */
const contract = `
POST /models · GET /models · GET /models/:model · PATCH /models/:model · PUT /models/:model
DELETE /models/:model · POST /models/:model/restore
POST /models/:model/versions · GET /models/:model/versions · GET /models/:model/versions/:version
PATCH /models/:model/versions/:version · PUT /models/:model/versions/:version · DELETE /models/:model/versions/:version
POST /models/:model/versions/:version/holds · DELETE /holds/:id
PATCH /versions/:id · PUT /versions/:id · DELETE /versions/:id
POST /models/:model/versions/:version/test · POST /models/:model/versions/:version/approve
POST /models/:model/versions/:version/reject · POST /models/:model/versions/:version/promote
POST /models/:model/versions/:version/demote · POST /models/:model/versions/:version/deprecate
POST /models/:model/versions/:version/archive · POST /models/:model/versions/:version/restore
PUT /models/:model/default · POST /models/:model/versions/:version/deployments
GET /deployments · GET /deployments/:id · POST /deployments/:id/status · POST /deployments/:id/undeploy
POST /deployments/:id/traffic · POST /deployments/:id/rollback · POST /deploy
POST /bindings · GET /bindings · GET /bindings/:id · PUT /bindings/:id · PATCH /bindings/:id · DELETE /bindings/:id
GET /models/:model/compare · GET /models/:model/lineage/:version · POST /models/register · POST /models/transition
GET /models/name/:name · POST /versions · GET /versions · GET /versions/:id
GET /models/:model/timeline · GET /stats · GET /events · GET /events/:id
POST /api-keys · GET /api-keys · DELETE /api-keys/:id · POST /training-completed
POST /retention/plan · POST /retention/apply · GET /retention/stats · POST /models/archive · GET /retention/policies/:scope · PUT /retention/policies/:scope
GET /policies/:scope · PUT /policies/:scope · GET /models/:model/policy
POST /models/:model/versions/:version/promotion-requests · GET /promotion-requests · GET /promotion-requests/:id
POST /promotion-requests/:id/decision · POST /promotion-requests/:id/withdraw
PUT /role-bindings · GET /role-bindings · DELETE /role-bindings · POST /tokens · POST /tenants · GET /tenants · GET /audit
`
  .split(/\n|·/)
  .map((call) => call.trim())
  .filter((call) => call !== '');

test('every route declares a permission that there is, and none is open', async () => {
  const routes = await everyRoute();
  expect(routes.length).toBeGreaterThan(40);
  const known = new Set<string | undefined>([...permissions, 'any key']);
  expect(routes.filter(({ permission }) => !known.has(permission))).toEqual([]);
});

/** Who has a key may have what it gives for minutes. */
const withOwnKey: ReadonlySet<string> = new Set(['/api/v1/tokens']);

test('a write never asks for the right to read alone', async () => {
  const writes = (await everyRoute()).filter(({ method }) => !['GET', 'HEAD'].includes(method));
  expect(writes.length).toBeGreaterThan(20);
  const tooOpen = writes.filter(
    ({ url, permission }) =>
      permission === 'registry:read' || (permission === 'any key' && !withOwnKey.has(url)),
  );
  expect(tooOpen).toEqual([]);
});

test('every call of the contract has its route', async () => {
  const there = new Set((await everyRoute()).map(({ method, url }) => `${method} ${url}`));
  expect(contract.length).toBeGreaterThan(25);
  expect(contract.filter((call) => !there.has(call.replace(' /', ' /api/v1/')))).toEqual([]);
});

/** The service that a GET of a path goes to behind the proxy: the first whose matcher holds it. */
function proxied(caddyfile: string, path: string): string {
  const matchers = [...caddyfile.matchAll(/^\s*@(\w+) path (.+)$/gm)];
  for (const [, name, patterns] of matchers) {
    const isMatched = patterns!
      .split(' ')
      .some((pattern) => new RegExp(`^${pattern.replaceAll('*', '[^/]+')}$`).test(path));
    const service = new RegExp(`handle @${name} \\{\\s*import service ([\\w-]+):`).exec(caddyfile);
    if (isMatched) return service![1]!;
  }
  return /^\thandle \{\s*import service ([\w-]+):/m.exec(caddyfile)![1]!;
}

test('behind the proxy each read goes to the service that answers it', async () => {
  const caddyfile = readFileSync(
    path.join(import.meta.dirname, '../../infra/deploy/Caddyfile'),
    'utf8',
  );
  const wrong: string[] = [];
  let seen = 0;
  for (const [service, routes] of Object.entries(await routesByService()))
    for (const { method, url } of routes) {
      if (method !== 'GET') continue;
      seen += 1;
      const asked = url.replaceAll(/:\w+/g, 'x');
      if (proxied(caddyfile, asked) !== service) wrong.push(`${url} of ${service}`);
    }
  expect(seen).toBeGreaterThan(30);
  expect(wrong).toEqual([]);
  expect(proxied(caddyfile, '/api/v1/models')).toBe('projector');
});

describe('a violation is found', () => {
  test('a route without a permission does not even register', async () => {
    const server = emptyServer();
    expect(() => server.get('/open-by-mistake', () => 'hello')).toThrow(AssertionFailed);
    await expect(
      routesOf((scope) => scope.post('/in-a-plugin', { config: {} }, () => 'hello')),
    ).rejects.toThrow('POST /api/v1/in-a-plugin declares no permission'.replace('/api/v1', ''));
  });

  test('nor one that only looks like the reference page', () => {
    const server = emptyServer();
    expect(() => server.get('/docs-of-mine', () => 'hello')).toThrow(AssertionFailed);
  });

  test('and one with a permission does', () => {
    const server = emptyServer();
    server.get('/with', { config: { permission: 'registry:read' } }, () => 'hello');
    expect(server.hasRoute({ method: 'GET', url: '/with' })).toBe(true);
  });
});
