// Reading promotion requests: who waits for whom, and what became of it.
import { z } from 'zod';
import { promotionStates } from '#events/model/promotion-row.ts';
import type { PromotionRequest } from '#events/model/promotion-row.ts';
import { promotionResource } from '#events/model/resource.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { pageQuery } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { pathPart, sendJson, sendResource, where } from './reading.ts';
import type { Reading } from './reading.ts';

const requestsQuery = z.strictObject({
  state: z.enum(promotionStates).optional(),
  model: pathPart.optional(),
  ...pageQuery,
  ...freshnessQuery,
});

/** What is past its time counts as expired, whether or not the event is written. */
const stateIs = `case when p.progress in ('open', 'approved') and p.expires_at <= ? then 'expired' else p.progress end = ?`;

export function promotionRequestReadRoutes(
  server: HttpServer,
  reading: Reading,
  clock: Pick<Clock, 'now'>,
): void {
  const { freshness } = reading;
  const now = (): string => clock.now().toISOString();
  const requests = partsOf<PromotionRequest>(reading, {
    noun: 'promotion request',
    view: 'promotion_requests',
    id: 'promotion_request_id',
    missing: (id) => new Problem('promotion_not_found', { promotion_request_id: id }),
    resource: (request, model) => promotionResource(request, model, now()),
  });

  server.get(
    '/promotion-requests',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Promotion requests, the newest first',
        tags: ['promotion requests'],
        querystring: requestsQuery,
      },
    },
    async (request, reply) => {
      const { query, principal } = request;
      await waitUntilFresh(freshness, query, reply);
      const json = await requests.page(principal, query, [
        ...where(stateIs, now(), query.state),
        ...(await requests.ofModel(principal, query.model)),
      ]);
      return sendJson(reply, json);
    },
  );

  server.get(
    '/promotion-requests/:id',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One promotion request, with its decisions and gates',
        tags: ['promotion requests'],
        params: partPath,
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      await waitUntilFresh(freshness, request.query, reply);
      return sendResource(reply, await requests.one(request.principal, request.params.id));
    },
  );
}
