// The routes that every service has: health, readiness, metrics, and the reference of its API.
import fastifySwagger from '@fastify/swagger';
import { createJsonSchemaTransform } from 'fastify-type-provider-zod';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { problemCodes, statusOf } from './problems.ts';
import { referencePage } from './reference-page.ts';
import type { HttpServer } from './server.ts';

/** A dependency as `/health` shows it. */
export type DependencyHealth = { status: 'up' | 'down'; detail?: string; [fact: string]: unknown };

export type OperationsOptions = {
  service: string;
  version: string;
  registry: Registry;
  /** Each dependency with its state; must answer in bounded time. */
  dependencies: () => Promise<Record<string, DependencyHealth>>;
  /** Ready for requests: the database answers, and nobody has asked for the end. */
  isReady: () => Promise<boolean>;
};

const success = {
  description: 'The resource, or a page of them',
  type: 'object',
  additionalProperties: true,
};
const problem = {
  description: 'A problem document',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};
const jsonSchemas = createJsonSchemaTransform({ zodToJsonConfig: { unrepresentable: 'any' } });

/** To be called before the routes that the reference should show. */
export async function documentRoutes(
  server: HttpServer,
  title: string,
  version: string,
): Promise<void> {
  await server.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title,
        version,
        description:
          'A model registry that remembers everything. Writes take Idempotency-Key and If-Match; errors are RFC 9457 problem documents with a code of the closed list below.',
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        },
        schemas: {
          Problem: {
            type: 'object',
            required: ['type', 'title', 'status', 'code'],
            properties: {
              type: { type: 'string' },
              title: { type: 'string' },
              status: { type: 'integer' },
              code: {
                type: 'string',
                enum: problemCodes,
                description: problemCodes.map((code) => `${code} (${statusOf(code)})`).join(', '),
              },
            },
          },
        },
      },
      security: [{ bearer: [] }, { apiKey: [] }],
    },
    transform: (route) => {
      const transformed = jsonSchemas(route);
      const { response } = transformed.schema;
      if (route.url.startsWith('/api/'))
        transformed.schema['response'] = {
          '2xx': success,
          default: problem,
          ...(response as object | undefined),
        };
      return transformed;
    },
  });
}

export function operationRoutes(server: HttpServer, options: OperationsOptions): void {
  const { service, version, registry } = options;
  const open = { permission: 'open' } as const;
  const loopback = { permission: 'loopback' } as const;
  const hide = { hide: true };

  server.get('/health', { config: open, schema: hide }, async () => {
    const dependencies = await options.dependencies();
    const isWhole = Object.values(dependencies).every(({ status }) => status === 'up');
    return { status: isWhole ? 'ok' : 'degraded', service, version, dependencies };
  });

  server.get('/ready', { config: open, schema: hide }, async (_request, reply) => {
    const ready = await options.isReady();
    return reply.code(ready ? 200 : 503).send({ ready });
  });

  for (const path of ['/metrics', '/metrics/prometheus'])
    server.get(path, { config: loopback, schema: hide }, async (_request, reply) =>
      reply.header('content-type', registry.contentType).send(await registry.metrics()),
    );

  server.get('/openapi.json', { config: open, schema: hide }, () => server.swagger());
  referencePage(server);
}
