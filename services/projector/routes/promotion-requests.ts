// Reading promotion requests: who waits for whom, and what became of it.
import { z } from 'zod';
import { progressAt, promotionStates } from '#events/model/promotion-row.ts';
import type { PromotionRequest } from '#events/model/promotion-row.ts';
import { promotionResource } from '#events/model/resource.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery } from '../lists.ts';
import { freshnessQuery } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { isAsked, pathPart, where } from './reading.ts';
import type { Reading } from './reading.ts';

const requestsQuery = z.strictObject({
  state: z.enum(promotionStates).optional(),
  model: pathPart.optional(),
  ...pageQuery,
  ...freshnessQuery,
  ...asOfQuery,
});

/** What is past its time counts as expired, whether or not the event is written. */
const stateIs = `case when p.progress in ('open', 'approved') and p.expires_at <= ? then 'expired' else p.progress end = ?`;

export function promotionRequestReadRoutes(server: HttpServer, reading: Reading): void {
  const requests = partsOf<PromotionRequest>(reading, {
    noun: 'promotion request',
    view: 'promotion_requests',
    id: 'promotion_request_id',
    idOf: ({ promotion_request_id }) => promotion_request_id,
    missing: (id) => new Problem('promotion_not_found', { promotion_request_id: id }),
    resource: promotionResource,
    inState: (model) => model.promotionRequests.values(),
    streamOf: (tenant, id) => reading.log.findPart(tenant, 'promotion_request', id),
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
    async ({ principal, url, query }, reply) => {
      const { state } = query;
      return await requests.sendPage(reply, principal, `promotion requests ${url}`, query, {
        conditions: () => where(stateIs, reading.clock.now().toISOString(), state),
        matches: (request, at) => isAsked(state, progressAt(request, at)),
      });
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
        querystring: z.strictObject({ ...freshnessQuery, ...asOfQuery }),
      },
    },
    async ({ principal, params, query }, reply) =>
      await requests.sendOne(reply, principal, params.id, query),
  );
}
