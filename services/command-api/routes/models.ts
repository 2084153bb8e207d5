// Writes on models and their versions, and the steps of a version's life.
import { z } from 'zod';
import { may } from '#events/access.ts';
import type { Permission } from '#events/access.ts';
import { findVersion } from '#events/model/decide.ts';
import type {
  ArchiveCause,
  Common,
  ModelCommand,
  ModelRefusal,
  NewVersion,
  VersionRef,
} from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { deploymentResource, modelResource, versionResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { modelStream } from '#events/names.ts';
import { newId } from '#infra/ids.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Ask } from '../ask.ts';
import {
  deploymentBody,
  deploymentStatusBody,
  modelFactsOf,
  modelPatchBody,
  newModelBody,
  newVersionBody,
  prose,
  reasonBody,
  time,
  versionFactsOf,
  versionRefOf,
  word,
} from '../fields.ts';
import { modelKind } from '../kinds.ts';
import { commandHead, commonOf, sendAnswer } from '../request.ts';
import type { Resolve } from '../resolve.ts';

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const pathPartPattern = /^[^/\u0000-\u001f]+$/;
const pathPart = z
  .string()
  .min(1)
  .max(512)
  .regex(pathPartPattern, 'must not hold "/" or control characters');
const modelPath = z.strictObject({ model: pathPart });
const versionPath = z.strictObject({ model: pathPart, version: pathPart });
const deploymentPath = z.strictObject({ id: z.uuid() });
const noQuery = z.strictObject({});

const promoteBody = z.strictObject({
  to_stage: z.enum(['staging', 'production']),
  reason: prose.nullish(),
});
const demoteBody = z
  .strictObject({
    to_stage: z.enum(['development', 'staging']).optional(),
    reason: prose.nullish(),
  })
  .nullish();
const restoreBody = z
  .strictObject({
    to_stage: z.enum(['development', 'staging']).optional(),
    reason: prose.nullish(),
  })
  .nullish();
const deprecateBody = z
  .strictObject({ sunset_at: time.nullish(), reason: prose.nullish() })
  .nullish();
/** `cause`, `rule` and `plan_id` are the retention service's own. */
const archiveBody = z
  .strictObject({
    reason: prose.nullish(),
    cause: z.enum(['retention_age', 'retention_count']).optional(),
    rule: z.strictObject({ type: word, limit: z.json(), measured: z.json() }).nullish(),
    plan_id: word.nullish(),
  })
  .nullish();
const defaultBody = z.strictObject({
  version: z.union([z.int().positive(), word]),
  reason: prose.nullish(),
});

type Place = { stream_version: number; position: number };
type Events = readonly RecordedEvent<ModelEvent>[];

const placeOf = (state: ModelState): Place => state.model!;

function versionAnswer(state: ModelState, number: number) {
  return versionResource(state.versions.get(number)!, {
    name: state.model!.name,
    ...placeOf(state),
  });
}

/**
 * The version that a lifecycle call is about. Its last event names it: by then `latest` or `default` may mean another.
 * A call that changed nothing left the name with whom it had.
 */
function answeredVersion(ref: VersionRef) {
  return (state: ModelState, events: Events) => {
    const last = events.at(-1);
    const named = last !== undefined && 'number' in last.data ? last.data.number : null;
    return versionAnswer(state, named ?? findVersion(state, ref)!.facts.number);
  };
}

const answeredDeployment = (deploymentId: string) => (state: ModelState, events: Events) => {
  // a repeated request has made another id; its own event tells which one counted
  const begun = events.find(
    (event) => event.type === 'deployment.requested' || event.type === 'model.deployed',
  );
  const deployment = state.deployments.get(begun?.data.deployment_id ?? deploymentId)!;
  return deploymentResource(deployment, { name: state.model!.name, ...placeOf(state) });
};

export function modelWriteRoutes(
  server: HttpServer,
  { ask, resolve }: { ask: Ask; resolve: Resolve },
): void {
  type Head = ReturnType<typeof commandHead>;
  type Answer<Body> = (state: ModelState, events: Events) => Body;

  /** Sends a command to the model that the path names, and answers with what it left. */
  async function askModel<Body extends object>(
    reply: FastifyReply,
    head: Head,
    stream: string | Promise<string>,
    status: 200 | 201,
    command: (common: Common) => ModelCommand,
    answer: Answer<Body>,
  ): Promise<FastifyReply> {
    const answered = await ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, Body>({
      kind: modelKind,
      stream: await stream,
      ...head,
      status,
      command: (at) => command(commonOf(head, at)),
      answer,
    });
    return sendAnswer(reply, answered);
  }

  /** A stage above development is a promotion, and asks for the right to promote. */
  function assertMayStage(request: FastifyRequest, stage: NewVersion['stage']): void {
    const { role } = request.principal;
    if (stage !== 'development' && !may(role, 'stage:change'))
      throw new Problem('forbidden', { required_permission: 'stage:change' });
  }

  server.post(
    '/models',
    {
      config: { permission: 'model:write' },
      schema: {
        summary: 'Register a model',
        tags: ['models'],
        body: newModelBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { name, ...facts } = request.body;
      const head = commandHead(request, request.body);
      const model_id = newId();
      const stream = modelStream(head.tenant, model_id);
      const answered = await ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, object>(
        {
          kind: modelKind,
          stream,
          isNew: true,
          ...head,
          status: 201,
          command: (at) => ({
            type: 'RegisterModel',
            model_id,
            name,
            facts: modelFactsOf(facts),
            first_version: null,
            ...commonOf(head, at),
          }),
          answer: (state) => modelResource(state.model!),
        },
      );
      if (!answered.duplicate) resolve.learnModel(head.tenant, name, stream);
      return sendAnswer(reply, answered);
    },
  );

  server.patch(
    '/models/:model',
    {
      config: { permission: 'model:write' },
      schema: {
        summary: 'Change what describes a model; null clears, tags and metadata merge by key',
        tags: ['models'],
        params: modelPath,
        body: modelPatchBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const head = commandHead(request, request.body);
      const { reason: _reason, ...patch } = request.body;
      return await askModel(
        reply,
        head,
        resolve.model(head.tenant, request.params.model),
        200,
        (common) => ({ type: 'UpdateModel', patch, ...common }),
        (state) => modelResource(state.model!),
      );
    },
  );

  server.post(
    '/models/:model/versions',
    {
      config: { permission: 'version:write' },
      schema: {
        summary: 'Add a version; a stage above development promotes it in the same append',
        tags: ['versions'],
        params: modelPath,
        body: newVersionBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { body } = request;
      const head = commandHead(request, body);
      const stage = body.stage ?? 'development';
      assertMayStage(request, stage);
      const version: NewVersion = {
        version_id: newId(),
        facts: versionFactsOf(body),
        stage,
        readiness: body.readiness ?? 'training',
        is_default: body.is_default ?? false,
      };
      return await askModel(
        reply,
        head,
        resolve.model(head.tenant, request.params.model),
        201,
        (common) => ({ type: 'CreateVersion', version, ...common }),
        answeredVersion({ by: 'id', version_id: version.version_id }),
      );
    },
  );

  /** One step of a version's life: its path, who may take it, what it takes, and the command that it is. */
  function step<Body extends z.ZodType>(
    name: string,
    permission: Permission,
    summary: string,
    body: Body,
    commandOf: (
      version: VersionRef,
      body: z.infer<Body>,
      common: Common,
      request: FastifyRequest,
    ) => ModelCommand,
  ): void {
    server.post(
      `/models/:model/versions/:version/${name}`,
      {
        config: { permission },
        schema: { summary, tags: ['lifecycle'], params: versionPath, body, querystring: noQuery },
      },
      async (request, reply) => {
        const written = request.body as z.infer<Body> & { reason?: string | null };
        const head = commandHead(request, written);
        const { model, version } = request.params;
        const ref = versionRefOf(version);
        return await askModel(
          reply,
          head,
          resolve.model(head.tenant, model),
          200,
          (common) => commandOf(ref, written, common, request),
          answeredVersion(ref),
        );
      },
    );
  }

  step(
    'test',
    'version:write',
    'Start testing a version',
    reasonBody,
    (version, _body, common) => ({
      type: 'StartTesting',
      version,
      ...common,
    }),
  );
  step(
    'approve',
    'version:assess',
    'Say that a version is fit',
    reasonBody,
    (version, _body, common) => ({
      type: 'Approve',
      version,
      ...common,
    }),
  );
  step(
    'reject',
    'version:assess',
    'Say that a version is not fit',
    reasonBody,
    (version, _body, common) => ({
      type: 'Reject',
      version,
      ...common,
    }),
  );
  step(
    'promote',
    'stage:change',
    'Promote a version; the incumbent leaves production in the same append',
    promoteBody,
    (version, body, common) => ({ type: 'Promote', version, to_stage: body.to_stage, ...common }),
  );
  step(
    'demote',
    'stage:change',
    'Take a version one rung down',
    demoteBody,
    (version, body, common) => ({
      type: 'Demote',
      version,
      to_stage: body?.to_stage ?? null,
      ...common,
    }),
  );
  step(
    'deprecate',
    'stage:change',
    'Mark a version for removal',
    deprecateBody,
    (version, body, common) => ({
      type: 'Deprecate',
      version,
      sunset_at: body?.sunset_at ?? null,
      ...common,
    }),
  );
  step(
    'archive',
    'version:archive',
    'Retire a version that nothing uses',
    archiveBody,
    (version, body, common, request) => ({
      type: 'Archive',
      version,
      because: archiveCauseOf(body, request),
      ...common,
    }),
  );
  step(
    'restore',
    'stage:change',
    'Bring an archived version back',
    restoreBody,
    (version, body, common) => ({
      type: 'Restore',
      version,
      to_stage: body?.to_stage ?? 'development',
      ...common,
    }),
  );

  function archiveCauseOf(
    body: z.infer<typeof archiveBody>,
    request: FastifyRequest,
  ): ArchiveCause {
    const attributed = [body?.cause, body?.rule, body?.plan_id].some(
      (given) => given !== undefined && given !== null,
    );
    if (attributed && !may(request.principal.role, 'retention:attribute'))
      throw new Problem('forbidden', { required_permission: 'retention:attribute' });
    return {
      cause: body?.cause ?? 'manual',
      rule: body?.rule ?? null,
      plan_id: body?.plan_id ?? null,
    };
  }

  server.put(
    '/models/:model/default',
    {
      config: { permission: 'stage:change' },
      schema: {
        summary: 'Set the default version',
        tags: ['lifecycle'],
        params: modelPath,
        body: defaultBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const head = commandHead(request, request.body);
      const { version } = request.body;
      const ref: VersionRef =
        typeof version === 'number'
          ? { by: 'number', number: version }
          : { by: 'text', text: version };
      return await askModel(
        reply,
        head,
        resolve.model(head.tenant, request.params.model),
        200,
        (common) => ({ type: 'SetDefault', version: ref, ...common }),
        answeredVersion(ref),
      );
    },
  );

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
