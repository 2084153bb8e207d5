// Reading promotion requests: who waits for whom, and what became of it.
import { z } from 'zod';
import { maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import { promotionStates } from '#events/model/promotion-row.ts';
import type { PromotionRequest } from '#events/model/promotion-row.ts';
import { promotionResource } from '#events/model/resource.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { pageQuery, readList } from '../lists.ts';
import type { ListOf } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { encodedPage, pathPart, seenBy, sendJson, sendResource, shown, where } from './reading.ts';
import type { Reading } from './reading.ts';

const requestsQuery = z.strictObject({
  state: z.enum(promotionStates).optional(),
  model: pathPart.optional(),
  ...pageQuery,
  ...freshnessQuery,
});

/** A request with what its answer shows of its model. */
type Row = { state: string; name: string; stream_version: number; position: string };
const from =
  'views.promotion_requests_gN p, lateral (select name, team, project, stream_version, position from views.models_gN where model_id = p.model_id limit 1) m';
const columns = 'p.state, m.name, m.stream_version, m.position';

/** What is past its time counts as expired, whether or not the event is written. */
const stateIs = `case when p.progress in ('open', 'approved') and p.expires_at <= ? then 'expired' else p.progress end = ?`;

function requestsOf(
  caller: Principal,
  query: z.infer<typeof requestsQuery>,
  modelId: string | undefined,
  at: string,
): ListOf {
  return {
    from,
    columns,
    conditions: [
      ...where('p.tenant = ?', caller.tenant),
      ...where(stateIs, at, query.state),
      ...where('p.model_id = ?', modelId),
    ],
    seen: seenBy(caller),
    // Ids are UUIDv7: the newest first.
    order: { column: 'p.promotion_request_id', type: 'uuid', direction: 'desc' },
    total: null,
  };
}

export function promotionRequestReadRoutes(
  server: HttpServer,
  reading: Reading,
  clock: Pick<Clock, 'now'>,
): void {
  const { reader, find, freshness } = reading;

  const resourceOf = (
    tenant: string,
    { state, name, stream_version, position }: Row,
    at: string,
  ) => {
    const request = JSON.parse(state) as PromotionRequest;
    const place = { name, stream_version, position: Number(position) };
    return shown(reader, tenant, request.model_id, promotionResource(request, place, at));
  };

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
      const at = clock.now().toISOString();
      const model =
        query.model === undefined ? undefined : await find.model(principal, query.model);
      if (model === null) throw new Problem('model_not_found', { model: query.model });
      const list = requestsOf(principal, query, model?.model_id, at);
      const page = await readList<Row>(reader, query, list);
      return sendJson(
        reply,
        encodedPage(page, (row) => resourceOf(principal.tenant, row, at)),
      );
    },
  );

  server.get(
    '/promotion-requests/:id',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One promotion request, with its decisions and gates',
        tags: ['promotion requests'],
        params: z.strictObject({ id: z.uuid() }),
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { tenant } = request.principal;
      await waitUntilFresh(freshness, request.query, reply);
      const [row] = await reader.rows<Row & Place>({
        name: 'promotion request',
        text: `select ${columns}, m.team, m.project from ${from} where p.tenant = $1 and p.promotion_request_id = $2`,
        values: [tenant, id],
      });
      if (row === undefined || !maySee(request.principal, row))
        throw new Problem('promotion_not_found', { promotion_request_id: id });
      return sendResource(reply, resourceOf(tenant, row, clock.now().toISOString()));
    },
  );
}
