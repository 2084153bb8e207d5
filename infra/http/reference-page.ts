// The page that shows the API to people. The library that draws it takes 30 MB of memory, so it is loaded when somebody looks.
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type { HttpServer } from './server.ts';

const path = '/docs';
/** What the browser needs to know of an answer; what concerns the connection is this server's own. */
const shownHeaders = ['content-type', 'location', 'cache-control', 'etag'] as const;

/** The page shows the API and asks it; it asks nobody else, and offers nothing that others sell. */
const configuration = {
  url: '/openapi.json',
  showDeveloperTools: 'never',
  hideClientButton: true,
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
} as const;

async function openPage(): Promise<FastifyInstance> {
  const { default: scalar } = await import('@scalar/fastify-api-reference');
  const page = fastify();
  await page.register(scalar, { routePrefix: path, configuration });
  await page.ready();
  return page;
}

/** Adds `/docs` and what lies under it, open to everybody. */
export function referencePage(server: HttpServer): void {
  let opening: Promise<FastifyInstance> | null = null;
  for (const url of [path, `${path}/*`])
    server.get(
      url,
      { config: { permission: 'open' }, schema: { hide: true } },
      async (request, reply) => {
        opening ??= openPage().catch((error: unknown) => {
          opening = null;
          throw error;
        });
        const page = await opening;
        const drawn = await page.inject({ method: 'GET', url: request.url });
        if (drawn.statusCode === 404) return reply.callNotFound();
        for (const name of shownHeaders) {
          const value = drawn.headers[name];
          if (value !== undefined) void reply.header(name, value);
        }
        return reply.code(drawn.statusCode).send(drawn.rawPayload);
      },
    );
}
