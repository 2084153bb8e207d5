// Of which model a promotion was that was refused before anything was decided: it is looked for there in the audit trail.
import { setTimeout } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import type { EventLog } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import { wouldPromote } from '#infra/http/refusals.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Resolve } from './resolve.ts';

/** The refusal waits no longer for a database that does not answer; its record goes without the model then. */
const patienceMs = 1_000;

/** Tells of refusals on these routes which model they are of, as far as who asks may see it. */
export function nameRefusedPromotions(
  server: HttpServer,
  { log, resolve }: { log: Pick<EventLog, 'isInScope'>; resolve: Resolve },
): void {
  async function named({
    principal,
    params,
    routeOptions,
  }: FastifyRequest): Promise<string | null> {
    const { tenant } = principal;
    const { model, id } = (params ?? {}) as { model?: string; id?: string };
    if (model !== undefined) return await resolve.currentModel(tenant, model);
    if (id === undefined) return null;
    const isRequest = routeOptions.url?.includes('/promotion-requests/') === true;
    return (await (isRequest ? resolve.promotionRequest : resolve.deployment)(tenant, id)).stream;
  }

  async function seen(request: FastifyRequest): Promise<string | null> {
    const { sees } = request.principal;
    const stream = await named(request);
    if (stream === null || sees === null) return stream;
    return (await log.isInScope(stream, sees)) ? stream : null;
  }

  /** Whatever goes wrong here is no answer to who asked. */
  const seenInTime = (request: FastifyRequest): Promise<string | null> =>
    Promise.race([seen(request).catch(() => null), setTimeout(patienceMs, null, { ref: false })]);

  async function withStream(refusal: Problem, request: FastifyRequest): Promise<never> {
    const stream = await seenInTime(request);
    if (stream !== null) refusal.about = { stream };
    throw refusal;
  }

  // what is thrown goes on to the handler of all routes, which keeps and answers it; all else without a wait, as its time may be over
  server.setErrorHandler((refusal, request) => {
    const isUndecided =
      refusal instanceof Problem && refusal.status === 403 && refusal.about === null;
    if (isUndecided && !request.isDryRun && wouldPromote(request))
      return withStream(refusal, request);
    throw refusal;
  });
}
