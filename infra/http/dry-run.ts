// `dry_run=true`: every route that changes something is asked what it would do, by one query parameter that no route declares.
import type { FastifyRequest, RouteOptions } from 'fastify';
import { z } from 'zod';

const changesNothing: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
export const changesSomething = (method: RouteOptions['method']): boolean =>
  typeof method === 'string'
    ? !changesNothing.has(method.toUpperCase())
    : method.some(changesSomething);

const dryRunQuery = {
  dry_run: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .meta({
      description:
        'true: decided with the same permissions and rules, and nothing is stored, no secret made, no Idempotency-Key used. Answers 200 `{dry_run: true, events, resource}`: the events that would be written and the resource as it would be (ids and times are of this run; `position` and `serial` are 0, as only the log gives them), or the refusal.',
    }),
};

/** The query of a route that changes something, with `dry_run` beside what the route itself declares. */
export function withDryRun(querystring: unknown): z.ZodObject {
  return ((querystring as z.ZodObject | undefined) ?? z.strictObject({})).extend(dryRunQuery);
}

/** Whether a request only asks what would happen; known before anything is validated, so that no refusal of it is kept. */
export const asksDryRun = ({ method, query }: FastifyRequest): boolean =>
  changesSomething(method) && (query as { dry_run?: unknown }).dry_run === 'true';

/** A validated query as the route declares it. */
export function withoutDryRun(query: unknown): unknown {
  const { dry_run: _, ...declared } = query as { dry_run?: boolean };
  return declared;
}
