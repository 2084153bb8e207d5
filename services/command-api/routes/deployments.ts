// Writes on deployments: what runs where.
import { z } from 'zod';
import type { Common, ModelCommand, VersionRef } from '#events/model/commands.ts';
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
import { askModel, askModelOfPath, versionPath } from './model-asking.ts';
import type { Asking, Events } from './model-asking.ts';
import { noQuery } from './query.ts';

const deploymentPath = z.strictObject({ id: z.uuid() });

/** A call on a deployment that was there before. */
const sameDeployment = (deploymentId: string) => (state: ModelState) =>
  deploymentResource(state.deployments.get(deploymentId)!, state.model!);

const begunDeployment = (deploymentId: string) => (state: ModelState, events: Events) => {
  // a repeated request has made another id; its own event tells which one counted
  const begun = events.find(
    (event) => event.type === 'deployment.requested' || event.type === 'model.deployed',
  );
  return sameDeployment(begun?.data.deployment_id ?? deploymentId)(state);
};

/** What is asked of a deployment in either body that tells of one. */
const askedDeployment = (
  version: VersionRef,
  deployment_id: string,
  body: Omit<z.infer<typeof deploymentBody>, 'status'>,
  status: z.infer<typeof deploymentBody>['status'],
  common: Common,
): ModelCommand => ({
  ...common,
  type: 'Deploy',
  version,
  deployment_id,
  environment: body.environment,
  region: body.region ?? null,
  endpoint_url: body.endpoint_url ?? null,
  strategy: body.strategy,
  traffic_percent: body.traffic_percent ?? null,
  config: body.config ?? {},
  external_ref: body.external_ref ?? null,
  status,
});

export function deploymentRoutes(server: HttpServer, asking: Asking): void {
  const { ask, resolve } = asking;

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
    (request, reply) => {
      const { body } = request;
      const version = versionRefOf(request.params.version);
      const deployment_id = newId();
      return askModelOfPath(
        asking,
        request,
        reply,
        201,
        (common) => askedDeployment(version, deployment_id, body, body.status, common),
        begunDeployment(deployment_id),
      );
    },
  );

  /** A word on one deployment: its path, what it takes, and the command that it is. */
  function word<Body extends z.ZodType>(
    name: string,
    summary: string,
    body: Body,
    commandOf: (
      deploymentId: string,
      body: z.infer<Body>,
      common: Common,
      newDeploymentId: string,
    ) => ModelCommand,
  ): void {
    server.post(
      `/deployments/:id/${name}`,
      {
        config: { permission: 'deployment:write' },
        schema: {
          summary,
          tags: ['deployments'],
          params: deploymentPath,
          body,
          querystring: noQuery,
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        const written = request.body as z.infer<Body> & { reason?: string | null };
        const head = commandHead(request, written);
        const newDeploymentId = newId();
        return await askModel(
          ask,
          reply,
          head,
          resolve.deployment(head.tenant, id),
          200,
          (common) => commandOf(id, written, common, newDeploymentId),
          sameDeployment(id),
        );
      },
    );
  }

  word(
    'status',
    'Report how a deployment goes',
    deploymentStatusBody,
    (deployment_id, { status, endpoint_url, cause }, common) => ({
      ...common,
      type: 'ReportDeployment',
      deployment_id,
      status,
      endpoint_url: endpoint_url ?? null,
      cause,
    }),
  );
  word(
    'undeploy',
    'Say that a deployment is taken down',
    reasonBody,
    (deployment_id, _body, common) => ({ ...common, type: 'Undeploy', deployment_id }),
  );
  word(
    'traffic',
    'Give a deployment another share of the traffic; the others make room, or take what is left',
    trafficBody,
    (deployment_id, { traffic_percent }, common) => ({
      ...common,
      type: 'ShiftTraffic',
      deployment_id,
      traffic_percent,
    }),
  );
  word(
    'rollback',
    'Give the place back to the version that ran there before, or to a named one; stages stay',
    rollbackDeploymentBody,
    (deployment_id, body, common, new_id) => ({
      ...common,
      type: 'RollbackDeployment',
      deployment_id,
      to: body?.to ? bodyVersionRef(body.to) : null,
      new_id,
    }),
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
      const head = commandHead(request, body);
      const version = bodyVersionRef(body.version);
      const deployment_id = newId();
      return await askModel(
        ask,
        reply,
        head,
        resolve.model(head, body.model),
        201,
        (common) => askedDeployment(version, deployment_id, body, 'deployed', common),
        begunDeployment(deployment_id),
      );
    },
  );
}
