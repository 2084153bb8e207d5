// Reading deployments: what runs where, and one of them.
import { z } from 'zod';
import { deploymentStatuses } from '#events/model/shapes.ts';
import { deploymentResource } from '#events/model/resource.ts';
import type { Deployment } from '#events/model/deployment-row.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { filterText, pathPart, sendJson, sendResource, where } from './reading.ts';
import type { Reading } from './reading.ts';

const deploymentsQuery = z.strictObject({
  environment: filterText.optional(),
  status: z.enum(deploymentStatuses).optional(),
  model: pathPart.optional(),
  ...pageQuery,
  ...freshnessQuery,
});

export function deploymentReadRoutes(server: HttpServer, reading: Reading): void {
  const { freshness, share } = reading;
  const deployments = partsOf<Deployment>(reading, {
    noun: 'deployment',
    view: 'deployments',
    id: 'deployment_id',
    missing: (id) => new Problem('deployment_not_found', { deployment_id: id }),
    resource: deploymentResource,
  });

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
      const { query, principal, url } = request;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(principal, `deployments ${url}`, async () =>
        deployments.page(principal, query, [
          ...where('p.environment = ?', query.environment),
          ...where('p.status = ?', query.status),
          ...(await deployments.ofModel(principal, query.model)),
        ]),
      );
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
        params: partPath,
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      await waitUntilFresh(freshness, request.query, reply);
      return sendResource(reply, await deployments.one(request.principal, request.params.id));
    },
  );
}
