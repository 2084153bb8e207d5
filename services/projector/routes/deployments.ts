// Reading deployments: what runs where, and one of them.
import { z } from 'zod';
import { maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import { deploymentStatuses } from '#events/model/shapes.ts';
import { deploymentResource } from '#events/model/resource.ts';
import type { Deployment } from '#events/model/deployment-row.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery, readList } from '../lists.ts';
import type { ListOf } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import {
  encodedPage,
  filterText,
  pathPart,
  seenBy,
  sendJson,
  sendResource,
  shown,
  where,
} from './reading.ts';
import type { Reading } from './reading.ts';

const deploymentsQuery = z.strictObject({
  environment: filterText.optional(),
  status: z.enum(deploymentStatuses).optional(),
  model: pathPart.optional(),
  ...pageQuery,
  ...freshnessQuery,
});

/** A deployment with what its answer shows of its model. */
type Row = { state: string; name: string; stream_version: number; position: string };
const from =
  'views.deployments_gN d, lateral (select name, team, project, stream_version, position from views.models_gN where model_id = d.model_id limit 1) m';
const columns = 'd.state, m.name, m.stream_version, m.position';

function deploymentsOf(
  caller: Principal,
  query: z.infer<typeof deploymentsQuery>,
  modelId: string | undefined,
): ListOf {
  return {
    from,
    columns,
    conditions: [
      ...where('d.tenant = ?', caller.tenant),
      ...where('d.environment = ?', query.environment),
      ...where('d.status = ?', query.status),
      ...where('d.model_id = ?', modelId),
    ],
    seen: seenBy(caller),
    // Ids are UUIDv7: the newest first.
    order: { column: 'd.deployment_id', type: 'uuid', direction: 'desc' },
    total: null,
  };
}

export function deploymentReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, share } = reading;

  const resourceOf = (tenant: string, { state, name, stream_version, position }: Row) => {
    const deployment = JSON.parse(state) as Deployment;
    const place = { name, stream_version, position: Number(position) };
    return shown(reader, tenant, deployment.model_id, deploymentResource(deployment, place));
  };

  server.get(
    '/deployments',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Deployments, the newest first',
        tags: ['deployments'],
        querystring: deploymentsQuery,
      },
    },
    async (request, reply) => {
      const { query } = request;
      const { principal } = request;
      const { tenant } = principal;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(request.principal, `deployments ${request.url}`, async () => {
        const model =
          query.model === undefined ? undefined : await find.model(principal, query.model);
        if (model === null) throw new Problem('model_not_found', { model: query.model });
        const page = await readList<Row>(
          reader,
          query,
          deploymentsOf(principal, query, model?.model_id),
        );
        return encodedPage(page, (row) => resourceOf(tenant, row));
      });
      return sendJson(reply, json);
    },
  );

  server.get(
    '/deployments/:id',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One deployment',
        tags: ['deployments'],
        params: z.strictObject({ id: z.uuid() }),
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { tenant } = request.principal;
      await waitUntilFresh(freshness, request.query, reply);
      const [row] = await reader.rows<Row & Place>({
        name: 'deployment',
        text: `select ${columns}, m.team, m.project from ${from} where d.tenant = $1 and d.deployment_id = $2`,
        values: [tenant, id],
      });
      if (row === undefined || !maySee(request.principal, row))
        throw new Problem('deployment_not_found', { deployment_id: id });
      return sendResource(reply, resourceOf(tenant, row));
    },
  );
}
