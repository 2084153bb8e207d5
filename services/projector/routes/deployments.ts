// Reading deployments: what runs where, and one of them.
import { z } from 'zod';
import { deploymentStatuses } from '#events/model/shapes.ts';
import { deploymentResource } from '#events/model/resource.ts';
import type { Deployment } from '#events/model/deployment-row.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery } from '../lists.ts';
import { freshnessQuery } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { filterText, isAsked, pathPart, where } from './reading.ts';
import type { Reading } from './reading.ts';

const deploymentsQuery = z.strictObject({
  environment: filterText.optional(),
  status: z.enum(deploymentStatuses).optional(),
  model: pathPart.optional(),
  ...pageQuery,
  ...freshnessQuery,
  ...asOfQuery,
});

export function deploymentReadRoutes(server: HttpServer, reading: Reading): void {
  const deployments = partsOf<Deployment>(reading, {
    noun: 'deployment',
    view: 'deployments',
    id: 'deployment_id',
    idOf: ({ deployment_id }) => deployment_id,
    missing: (id) => new Problem('deployment_not_found', { deployment_id: id }),
    resource: deploymentResource,
    inState: (state) => state.deployments.values(),
    streamOf: (tenant, id) => reading.log.findPart(tenant, 'deployment', id),
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
    async ({ principal, url, query }, reply) => {
      const { environment, status } = query;
      return await deployments.sendPage(reply, principal, `deployments ${url}`, query, {
        conditions: () => [
          ...where('p.environment = ?', environment),
          ...where('p.status = ?', status),
        ],
        matches: (deployment) =>
          isAsked(environment, deployment.environment) && isAsked(status, deployment.status),
      });
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
        querystring: z.strictObject({ ...freshnessQuery, ...asOfQuery }),
      },
    },
    async ({ principal, params, query }, reply) =>
      await deployments.sendOne(reply, principal, params.id, query),
  );
}
