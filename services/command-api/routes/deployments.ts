// Writes on deployments: what runs where.
import { z } from 'zod';
import { deploymentResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import {
  bodyVersionRef,
  deployBody,
  deploymentBody,
  deploymentStatusBody,
  reasonBody,
  rollbackDeploymentBody,
  trafficBody,
  versionRefOf,
} from '../fields.ts';
import { commandHead } from '../request.ts';
import { askModel, noQuery, placeOf, versionPath } from './model-asking.ts';
import type { Asking, Events } from './model-asking.ts';

const deploymentPath = z.strictObject({ id: z.uuid() });

/** A call on a deployment that was there before. */
const sameDeployment = (deploymentId: string) => (state: ModelState) =>
  deploymentResource(state.deployments.get(deploymentId)!, {
    name: state.model!.name,
    ...placeOf(state),
  });

const begunDeployment = (deploymentId: string) => (state: ModelState, events: Events) => {
  // a repeated request has made another id; its own event tells which one counted
  const begun = events.find(
    (event) => event.type === 'deployment.requested' || event.type === 'model.deployed',
  );
  return sameDeployment(begun?.data.deployment_id ?? deploymentId)(state);
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
        begunDeployment(deployment_id),
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
          cause: body.cause,
          ...common,
        }),
        sameDeployment(id),
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
        sameDeployment(id),
      );
    },
  );

  server.post(
    '/deployments/:id/traffic',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary:
          'Give a deployment another share of the traffic; the others make room, or take what is left',
        tags: ['deployments'],
        params: deploymentPath,
        body: trafficBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { traffic_percent } = request.body;
      const head = commandHead(request, request.body);
      return await askModel(
        ask,
        reply,
        head,
        resolve.deployment(head.tenant, id),
        200,
        (common) => ({ type: 'ShiftTraffic', deployment_id: id, traffic_percent, ...common }),
        sameDeployment(id),
      );
    },
  );

  server.post(
    '/deployments/:id/rollback',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary:
          'Give the place back to the version that ran there before, or to a named one; stages stay',
        tags: ['deployments'],
        params: deploymentPath,
        body: rollbackDeploymentBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const to = request.body?.to ?? null;
      const head = commandHead(request, request.body);
      const new_id = newId();
      return await askModel(
        ask,
        reply,
        head,
        resolve.deployment(head.tenant, id),
        200,
        (common) => ({
          type: 'RollbackDeployment',
          deployment_id: id,
          to: to === null ? null : bodyVersionRef(to),
          new_id,
          ...common,
        }),
        sameDeployment(id),
      );
    },
  );

  server.post(
    '/deploy',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary: 'Tell of a deployment that is done, by the names of the model and the version',
        tags: ['deployments'],
        body: deployBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { body } = request;
      const head = commandHead(request, {
        reason: body.reason,
        declared_by: body.deployed_by ?? body.declared_by,
      });
      const deployment_id = newId();
      return await askModel(
        ask,
        reply,
        head,
        resolve.model(head.tenant, body.model_name ?? body.model!),
        201,
        (common) => ({
          type: 'Deploy',
          version: bodyVersionRef(body.version),
          deployment_id,
          environment: body.deployment_target ?? body.environment!,
          region: body.region ?? null,
          endpoint_url: body.endpoint_url ?? null,
          strategy: body.strategy,
          traffic_percent: body.traffic_percent ?? null,
          config: body.config ?? {},
          external_ref: body.external_ref ?? null,
          status: 'deployed',
          ...common,
        }),
        begunDeployment(deployment_id),
      );
    },
  );
}
