// Who may ask for the metrics, which are sums over all tenants: this machine, and from elsewhere keys of the registry's own tenant.
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { principalOf } from '#events/access.ts';
import type { Keyring } from '#infra/auth/keys.ts';
import { operationRoutes } from '#infra/http/operations.ts';
import { buildServer } from '#infra/http/server.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { Registry, requestMetrics } from '#infra/telemetry/metrics.ts';

/** A viewer of the tenant that the key names. */
const viewerOf = (tenant: string) =>
  principalOf(
    {
      tenant,
      subject: 'ana',
      subject_type: 'user',
      auth_method: 'api_key',
      key_id: null,
      issued_by: null,
      own: [{ role: 'viewer', scope: 'tenant', granted_by: null }],
    },
    [],
  );
const keyring: Keyring = {
  find: viewerOf,
  confirm: async (token) => viewerOf(token),
  moved: () => undefined,
};

let server: HttpServer;
beforeAll(() => {
  const registry = new Registry();
  const logger = pino({ level: 'silent' });
  server = buildServer({ logger, keyring, metrics: requestMetrics(registry) });
  operationRoutes(server, {
    service: 'test',
    version: '0',
    registry,
    dependencies: async () => ({}),
    isReady: async () => true,
  });
});
afterAll(() => server.close());

const ask = async (url: string, remoteAddress: string, key?: string) => {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const { statusCode, body } = await server.inject({ url, remoteAddress, headers });
  return { status: statusCode, body };
};

test.each(['/metrics', '/metrics/prometheus'])('%s', async (url) => {
  expect((await ask(url, '127.0.0.1')).status).toBe(200);
  expect((await ask(url, '10.0.0.7')).status).toBe(401);
  expect((await ask(url, '10.0.0.7', 'default')).status).toBe(200);
  const { status, body } = await ask(url, '10.0.0.7', 'acme');
  expect(status).toBe(403);
  expect(JSON.parse(body)).toMatchObject({ code: 'forbidden', required_tenant: 'default' });
});
