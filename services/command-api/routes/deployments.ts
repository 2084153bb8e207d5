// Writes on deployments: what runs where.
import { z } from 'zod';
import { deploymentResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { deploymentBody, deploymentStatusBody, reasonBody, versionRefOf } from '../fields.ts';
import { commandHead } from '../request.ts';
import { askModel, noQuery, placeOf, versionPath } from './model-asking.ts';
import type { Asking, Events } from './model-asking.ts';

const deploymentPath = z.strictObject({ id: z.uuid() });

const answeredDeployment = (deploymentId: string) => (state: ModelState, events: Events) => {
  // a repeated request has made another id; its own event tells which one counted
  const begun = events.find(
    (event) => event.type === 'deployment.requested' || event.type === 'model.deployed',
  );
  const deployment = state.deployments.get(begun?.data.deployment_id ?? deploymentId)!;
  return deploymentResource(deployment, { name: state.model!.name, ...placeOf(state) });
};

export function deploymentRoutes(server: HttpServer, { ask, resolve }: Asking): void {
  server.post(
    '/models/:model/versions/:version/deployments',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary: 'Deploy a version, or tell of a deployment that is done (`status: deployed`)',
        tags: ['deployments'],
        params: versionPath,
        body: deploymentBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { body } = request;
      const head = commandHead(request, body);
      const deployment_id = newId();
      return await askModel(
        ask,
        reply,
        head,
        resolve.model(head.tenant, request.params.model),
        201,
        (common) => ({
          type: 'Deploy',
          version: versionRefOf(request.params.version),
          deployment_id,
          environment: body.environment,
          region: body.region ?? null,
          endpoint_url: body.endpoint_url ?? null,
          strategy: body.strategy,
          traffic_percent: body.traffic_percent ?? null,
          config: body.config ?? {},
          external_ref: body.external_ref ?? null,
          status: body.status,
          ...common,
        }),
        answeredDeployment(deployment_id),
      );
    },
  );

  server.post(
    '/deployments/:id/status',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary: 'Report how a deployment goes',
        tags: ['deployments'],
        params: deploymentPath,
        body: deploymentStatusBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { body } = request;
      const head = commandHead(request, body);
      return await askModel(
        ask,
        reply,
        head,
        resolve.deployment(head.tenant, id),
        200,
        (common) => ({
          type: 'ReportDeployment',
          deployment_id: id,
          status: body.status,
          endpoint_url: body.endpoint_url ?? null,
          cause: 'reported',
          ...common,
        }),
        answeredDeployment(id),
      );
    },
  );

  server.post(
    '/deployments/:id/undeploy',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary: 'Say that a deployment is taken down',
        tags: ['deployments'],
        params: deploymentPath,
        body: reasonBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const head = commandHead(request, request.body);
      return await askModel(
        ask,
        reply,
        head,
        resolve.deployment(head.tenant, id),
        200,
        (common) => ({ type: 'Undeploy', deployment_id: id, ...common }),
        answeredDeployment(id),
      );
    },
  );
}
