// A command API on a real database, asked over real sockets by paths that no client library tidies up.
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Role } from '#events/access.ts';
import type { EventLog } from '#events/log.ts';
import { tenantStream } from '#events/names.ts';
import { registryRetention } from '#events/policy/retention.ts';
import { newSecret, openKeyring, secretHash } from '#infra/auth/keys.ts';
import type { TokenVerifiers } from '#infra/auth/keys.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import { documentRoutes, operationRoutes } from '#infra/http/operations.ts';
import { buildServer } from '#infra/http/server.ts';
import type { RouteAccess } from '#infra/http/server.ts';
import { openDatabaseClock } from '#infra/postgres/clock.ts';
import { openAuditRecords } from '#infra/postgres/audit.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { Registry, requestMetrics } from '#infra/telemetry/metrics.ts';
import { commandApiApp } from '#services/command-api/app.ts';
import { freshDatabase } from '#test/real/postgres.ts';

export const adminKey = 'admin-key-of-a-test-0123456789abcdef';

export type Answer = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Parsed where it is JSON, else null. */
  body: Body;
  text: string;
};
/** An answer's body; a test that reads a field fails where it is not there. */
type Body = Record<string, never> & {
  code?: string;
  errors?: { pointer: string; message: string }[];
};

/** A body whose fields are of any type. */
export const bodyOf = ({ body }: Answer): Record<string, unknown> => body;

export type Question = {
  /** Null: no credentials. The admin's where nothing is said. */
  key?: string | null;
  /** Sent as JSON; a text or bytes are sent as they are. */
  body?: unknown;
  headers?: Record<string, string>;
};

export type Route = { method: string; url: string; permission: RouteAccess };

const none: TokenVerifiers = { tokens: null, oidc: null };

/** One process's worth of command API. Several on one database are several processes. */
export async function openApi(
  databaseUrl: string,
  verifiers: TokenVerifiers = none,
  failpoint: Failpoint = () => undefined,
  corsOrigins: readonly string[] = [],
) {
  const lines: string[] = [];
  // no redaction: a secret must not even reach the logger
  const logger = pino(
    { level: 'trace' },
    new Writable({
      write(line: Buffer, _encoding, done) {
        lines.push(line.toString());
        done();
      },
    }),
  );
  const onError = (error: unknown) => logger.warn({ err: error }, 'the database connection broke');
  const pool = openPool({
    url: databaseUrl,
    name: 'test',
    role: 'modelog_service',
    size: 8,
    onError,
  });
  const clock = await openDatabaseClock(pool, onError);
  const follower = followHead({ url: databaseUrl, onError });
  const registry = new Registry();
  const commandApi = commandApiApp({
    databaseUrl,
    pool,
    follower,
    clock,
    registry,
    logger,
    failpoint,
    kafka: null,
    tokens: verifiers.tokens,
    kept: registryRetention(),
    modelTypes: ['ranking'],
  });
  await commandApi.start({ adminKey, serviceKey: undefined });
  const audit = openAuditRecords(pool, onError);
  const server = buildServer({
    logger,
    audit,
    keyring: openKeyring(pool, verifiers),
    metrics: requestMetrics(registry),
    corsOrigins,
  });
  const routes: Route[] = [];
  server.addHook('onRoute', (route) => {
    for (const method of [route.method].flat())
      routes.push({ method, url: route.url, permission: route.config!.permission! });
  });
  await documentRoutes(server, 'Modelog', '0');
  operationRoutes(server, {
    service: 'command-api',
    version: '0',
    registry,
    dependencies: async () => ({}),
    isReady: async () => true,
  });
  await server.register(async (scope) => commandApi.routes(scope), { prefix: '/api/v1' });
  await server.register(async (scope) => commandApi.bareRoutes(scope));
  const address = new URL(await server.listen({ host: '127.0.0.1', port: 0 }));
  const agent = new Agent({ keepAlive: true });

  /** The path goes over the wire as it is written. */
  function ask(method: string, path: string, question: Question = {}): Promise<Answer> {
    const { key = adminKey, body, headers = {} } = question;
    const payload =
      body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
        ? body
        : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const asking = request({
        agent,
        host: address.hostname,
        port: address.port,
        method,
        path,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
          ...(payload === undefined || 'transfer-encoding' in headers
            ? {}
            : { 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      });
      asking.on('error', (error) =>
        reject(new Error(`${method} ${path} was not answered`, { cause: error })),
      );
      asking.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: (isJson && text !== '' ? JSON.parse(text) : null) as Body,
            text,
          });
        });
      });
      asking.end(payload);
    });
  }

  const api = (path: string) => `/api/v1${path}`;
  return {
    commandApi,
    pool,
    routes,
    logLines: lines,
    address,
    ask,
    get: (path: string, question?: Question) => ask('GET', api(path), question),
    post: (path: string, body: unknown, question?: Question) =>
      ask('POST', api(path), { body, ...question }),
    patch: (path: string, body: unknown, question?: Question) =>
      ask('PATCH', api(path), { body, ...question }),
    put: (path: string, body: unknown, question?: Question) =>
      ask('PUT', api(path), { body, ...question }),
    delete: (path: string, question?: Question) => ask('DELETE', api(path), question),

    async close(): Promise<void> {
      agent.destroy();
      commandApi.endStreams();
      await server.close();
      await audit.close();
      await commandApi.stop();
      await follower.close();
      clock.close();
      await pool.end();
    },
  };
}

export type Api = Awaited<ReturnType<typeof openApi>>;

/** A migrated database with so many processes of the command API on it. */
export async function openApis(count: number, verifiers: TokenVerifiers = none) {
  const database = await freshDatabase();
  await migrate(database.url, logMigrations);
  const apis: Api[] = [];
  for (let opened = 0; opened < count; opened++) apis.push(await openApi(database.url, verifiers));
  return {
    databaseUrl: database.url,
    apis,
    async close(): Promise<void> {
      for (const api of apis) await api.close();
      await database.drop();
    },
  };
}

/** A tenant beside the first with a key of a role, put there by the log itself. */
export async function otherTenantKey(
  api: { commandApi: { log: Pick<EventLog, 'append'> } },
  tenant: string,
  role: Role,
): Promise<string> {
  const secret = newSecret();
  const command_id = randomUUID();
  const key = {
    key_id: randomUUID(),
    subject: 'zoë',
    subject_type: 'user',
    role,
    expires_at: null,
  } as const;
  const event = { schema_version: 1, serial_kind: null };
  await api.commandApi.log.append([
    {
      stream: tenantStream(tenant),
      tenant,
      expected_version: 0,
      decided_on: [],
      commands: [
        {
          command_id,
          request_hash: null,
          status: 201,
          metadata: {
            actor: {
              subject: 'test',
              type: 'system',
              auth_method: 'internal',
              key_id: null,
              declared_by: null,
            },
            occurred_at: '2026-11-21T00:00:00.000Z',
            reason: null,
            command_id,
            correlation_id: null,
            causation_id: null,
            traceparent: null,
          },
          events: [
            {
              ...event,
              id: randomUUID(),
              type: 'tenant.created',
              data: { tenant_id: tenant, name: tenant },
            },
            {
              ...event,
              id: randomUUID(),
              type: 'api_key.issued',
              data: { ...key, description: null },
            },
          ],
          takes: [],
          frees: [],
          keys: [{ effect: 'issue', sha256: secretHash(secret), tenant, ...key }],
          scopes: [],
        },
      ],
    },
  ]);
  return secret;
}
