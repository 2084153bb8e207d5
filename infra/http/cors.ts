// Pages of other origins: which of them may ask from a browser, and what they may read of an answer.
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

/** How long a browser may remember what it was allowed, in seconds. */
const rememberedSeconds = 600;

/**
 * To be called before the hook that asks who it is: a browser asks what it may without saying that. Keys come in a header that
 * the page itself sets, so nothing is sent along that it does not have.
 * @param origins as `https://ui.example`, or `*` for all; none: no page of another origin may ask
 */
export function allowOrigins(
  server: Pick<FastifyInstance, 'register'>,
  origins: readonly string[],
): void {
  if (origins.length === 0) return;
  void server.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: ['etag', 'retry-after', 'www-authenticate', 'x-position', 'x-stale'],
    maxAge: rememberedSeconds,
  });
}
