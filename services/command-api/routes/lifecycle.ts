// The steps of a version's life, and which version is the default.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Permission } from '#events/access.ts';
import type { ArchiveCause, Common, ModelCommand, VersionRef } from '#events/model/commands.ts';
import { modelResource } from '#events/model/resource.ts';
import { policyScope as parsePolicyScope } from '#events/names.ts';
import type { PolicyScope } from '#events/policy/policy.ts';
import { newId } from '#infra/ids.ts';
import { forbidden } from '#infra/http/forbidden.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { namedBody, standsFor } from '../document-names.ts';
import {
  bodyVersion,
  bodyVersionRef,
  alias,
  prose,
  reasonBody,
  time,
  versionRefOf,
  word,
} from '../fields.ts';
import { commandHead } from '../request.ts';
import {
  answeredProduction,
  answeredVersion,
  askModel,
  askModelOfPath,
  modelPath,
  pathPart,
  versionPath,
} from './model-asking.ts';
import type { Asking } from './model-asking.ts';
import { noQuery } from './query.ts';

const rungs = ['staging', 'production'] as const;
const rungsBelow = ['development', 'staging'] as const;
/** Document [4] gives the reason of a move as its description. */
const reasonNames = { description: standsFor('reason', prose) };
/** A move to one of these stages, in the names of that document. */
export const moveNames = (to: z.ZodType) => ({
  stage: standsFor('to_stage', to),
  new_stage: standsFor('to_stage', to),
  ...reasonNames,
});

const promoteBody = namedBody(
  {
    to_stage: z.enum(rungs).nullish(),
    /** Past gates and approvals; for an admin, with a reason. */
    break_glass: z.boolean().optional(),
    reason: prose.nullish(),
  },
  moveNames(z.enum(rungs)),
  ['to_stage'],
);
const moveDownBody = namedBody(
  { to_stage: z.enum(rungsBelow).nullish(), reason: prose.nullish() },
  moveNames(z.enum(rungsBelow)),
).nullish();
const deprecateBody = namedBody(
  { sunset_at: time.nullish(), reason: prose.nullish() },
  reasonNames,
).nullish();
const sunsetBody = z.strictObject({ sunset_at: time });
/** A model is in the scopes of its tenant, its project and itself. */
const judgingScopesMax = 3;
const policyScope = z.string().transform((text, context): PolicyScope => {
  const scope = parsePolicyScope(text);
  if (scope !== null) return scope;
  context.addIssue('must be tenant, project:<name> or model:<id>');
  return z.NEVER;
});
/** `cause`, `rule`, `plan_id` and `judged_by` are the retention service's own. */
const archiveBody = namedBody(
  {
    reason: prose.nullish(),
    cause: z.enum(['retention_age', 'retention_count']).optional(),
    rule: z.strictObject({ type: word, limit: z.json(), measured: z.json() }).nullish(),
    plan_id: word.nullish(),
    judged_by: z
      .array(z.strictObject({ scope: policyScope, version: z.int().min(0) }))
      .max(judgingScopesMax)
      .nullish(),
  },
  reasonNames,
).nullish();
const defaultBody = z.strictObject({ version: bodyVersion, reason: prose.nullish() });
const rollbackBody = z
  .strictObject({ to: bodyVersion.nullish(), reason: prose.nullish() })
  .nullish();
const aliasPath = z.strictObject({ model: pathPart, alias });

export function lifecycleRoutes(server: HttpServer, asking: Asking): void {
  const { ask, resolve } = asking;

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
          ask,
          reply,
          head,
          resolve.model(head, model),
          200,
          (common) => commandOf(ref, written, common, request),
          answeredVersion(ref),
        );
      },
    );
  }

  /** A step that is told nothing but the reason. */
  const plainStep = (
    name: string,
    permission: Permission,
    summary: string,
    type: 'StartTesting' | 'Approve' | 'Reject' | 'RevokeApproval' | 'Activate' | 'Deactivate',
  ): void =>
    step(name, permission, summary, reasonBody, (version, _body, common) => ({
      type,
      version,
      ...common,
    }));

  plainStep('test', 'version:write', 'Start testing a version', 'StartTesting');
  plainStep('approve', 'version:assess', 'Say that a version is fit', 'Approve');
  plainStep('reject', 'version:assess', 'Say that a version is not fit', 'Reject');
  plainStep(
    'revoke-approval',
    'version:assess',
    'Take an approval of fitness back: the version is in testing again',
    'RevokeApproval',
  );
  plainStep(
    'activate',
    'stage:change',
    'Switch a version on; where one may be active, the other is switched off in the same append',
    'Activate',
  );
  plainStep('deactivate', 'stage:change', 'Switch a version off', 'Deactivate');
  step(
    'promote',
    'stage:change',
    'Promote a version; the incumbent leaves production in the same append',
    promoteBody,
    (version, body, common) => ({
      ...common,
      type: 'Promote',
      version,
      to_stage: body.to_stage,
      break_glass: body.break_glass ?? false,
    }),
  );
  step(
    'demote',
    'stage:change',
    'Take a version one rung down',
    moveDownBody,
    (version, body, common) => ({
      ...common,
      type: 'Demote',
      version,
      to_stage: body?.to_stage ?? null,
    }),
  );
  step(
    'deprecate',
    'stage:change',
    'Mark a version for removal',
    deprecateBody,
    (version, body, common) => ({
      ...common,
      type: 'Deprecate',
      version,
      sunset_at: body?.sunset_at ?? null,
    }),
  );
  step(
    'sunset',
    'retention:attribute',
    'Raise the alert that the announced end of a version has come',
    sunsetBody,
    (version, { sunset_at }, common) => ({
      ...common,
      type: 'RaiseSunsetAlert',
      version,
      sunset_at,
    }),
  );
  step(
    'archive',
    'version:archive',
    'Retire a version that nothing uses',
    archiveBody,
    (version, body, common, request) => ({
      ...common,
      type: 'Archive',
      version,
      because: archiveCauseOf(body, request),
      judged_by: body?.judged_by ?? null,
    }),
  );
  step(
    'restore',
    'stage:change',
    'Bring an archived version back',
    moveDownBody,
    (version, body, common) => ({
      ...common,
      type: 'Restore',
      version,
      to_stage: body?.to_stage ?? 'development',
    }),
  );

  function archiveCauseOf(
    body: z.infer<typeof archiveBody>,
    request: FastifyRequest,
  ): ArchiveCause {
    const attributed = [body?.cause, body?.rule, body?.plan_id, body?.judged_by].some(
      (given) => given !== undefined && given !== null,
    );
    if (attributed && !request.principal.everywhere.has('retention:attribute'))
      throw forbidden('retention:attribute');
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
    (request, reply) => {
      const ref = bodyVersionRef(request.body.version);
      return askModelOfPath(
        asking,
        request,
        reply,
        200,
        (common) => ({ ...common, type: 'SetDefault', version: ref }),
        answeredVersion(ref),
      );
    },
  );

  server.put(
    '/models/:model/aliases/:alias',
    {
      config: { permission: 'stage:change' },
      schema: {
        summary: 'Let an alias name a version, and no other; `@alias` names it in a path',
        tags: ['lifecycle'],
        params: aliasPath,
        body: defaultBody,
        querystring: noQuery,
      },
    },
    (request, reply) => {
      const { alias: name } = request.params;
      const ref = bodyVersionRef(request.body.version);
      return askModelOfPath(
        asking,
        request,
        reply,
        200,
        (common) => ({ ...common, type: 'SetAlias', version: ref, alias: name }),
        answeredVersion(ref),
      );
    },
  );

  server.delete(
    '/models/:model/aliases/:alias',
    {
      config: { permission: 'stage:change' },
      schema: {
        summary: 'Remove an alias',
        tags: ['lifecycle'],
        params: aliasPath,
        body: reasonBody,
        querystring: noQuery,
      },
    },
    (request, reply) => {
      const { alias: name } = request.params;
      return askModelOfPath(
        asking,
        request,
        reply,
        200,
        (common) => ({ ...common, type: 'RemoveAlias', alias: name }),
        (state) => modelResource(state.model!),
      );
    },
  );

  server.post(
    '/models/:model/rollback',
    {
      config: { permission: 'stage:change' },
      schema: {
        summary:
          'Bring back what was in production before, also wherever the current version is deployed',
        tags: ['lifecycle'],
        params: modelPath,
        body: rollbackBody,
        querystring: noQuery,
      },
    },
    (request, reply) => {
      const to = request.body?.to ?? null;
      const ref = to === null ? null : bodyVersionRef(to);
      const new_id = newId();
      return askModelOfPath(
        asking,
        request,
        reply,
        200,
        (common) => ({ ...common, type: 'Rollback', to: ref, new_id }),
        answeredProduction,
      );
    },
  );
}
