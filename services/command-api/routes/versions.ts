// Writes on the versions of a model.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { NewVersion } from '#events/model/commands.ts';
import { forbidden } from '#infra/http/forbidden.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { warnsOfChildren } from '../children.ts';
import type { WarnOfChildren } from '../children.ts';
import { idOrSerial, reasonBody, versionFactsOf, versionRefOf } from '../fields.ts';
import { versionPatchBody, versionPatchOf } from '../patches.ts';
import { commandHead } from '../request.ts';
import type { CommandHead } from '../request.ts';
import { newVersionBody, newVersionOfModelBody } from '../version-body.ts';
import { answeredVersion, askModel, modelPath, versionPath } from './model-asking.ts';
import type { Asking } from './model-asking.ts';
import { noQuery } from './query.ts';

/** A stage above development is a promotion, and to be the default takes it from another: both ask for the right to do so. */
export function assertMayStage(
  { principal }: FastifyRequest,
  { stage, is_default }: Pick<NewVersion, 'stage' | 'is_default'>,
): void {
  const isMoved = stage !== 'development' || is_default;
  if (isMoved && !principal.somewhere.has('stage:change')) throw forbidden('stage:change');
}

const ownPath = z.strictObject({ id: idOrSerial('version') });

export function versionRoutes(
  server: HttpServer,
  { ask, resolve, warnOfChildren }: Asking & { warnOfChildren: WarnOfChildren },
): void {
  async function create(
    request: FastifyRequest<{ Body: z.infer<typeof newVersionBody> }>,
    reply: FastifyReply,
    model: string,
  ): Promise<FastifyReply> {
    const { body } = request;
    const head = commandHead(request, body);
    const version: NewVersion = {
      version_id: newId(),
      facts: versionFactsOf(body),
      stage: body.stage ?? 'development',
      readiness: body.readiness ?? 'training',
      is_default: body.is_default ?? false,
    };
    assertMayStage(request, version);
    return await askModel(
      ask,
      reply,
      head,
      resolve.model(head, model),
      201,
      (common) => ({ ...common, type: 'CreateVersion', version }),
      answeredVersion({ by: 'id', version_id: version.version_id }),
    );
  }

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
    (request, reply) => create(request, reply, request.params.model),
  );

  server.post(
    '/versions',
    {
      config: { permission: 'version:write' },
      schema: {
        summary: 'Add a version to the model that the body names',
        tags: ['versions'],
        body: newVersionOfModelBody,
        querystring: noQuery,
      },
    },
    (request, reply) => create(request, reply, request.body.model),
  );

  /** The version that a path names: under its model, or by its own id or serial. */
  type Named = { model: string; version: string } | { id: string };
  async function find(head: CommandHead, named: Named) {
    if ('id' in named) return await resolve.version(head.tenant, named.id);
    const found = await resolve.model(head, named.model);
    return { ...found, ref: versionRefOf(named.version) };
  }

  async function change(
    request: FastifyRequest<{ Params: Named; Body: z.infer<typeof versionPatchBody> }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const head = commandHead(request, { reason: request.body.reason });
    const { ref, ...found } = await find(head, request.params);
    const wanted = versionPatchOf(request.body);
    return await askModel(
      ask,
      reply,
      head,
      found,
      200,
      (common) => ({ ...common, type: 'UpdateVersion', version: ref, ...wanted }),
      answeredVersion(ref),
    );
  }

  async function remove(
    request: FastifyRequest<{ Params: Named; Body: z.infer<typeof reasonBody> }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const head = commandHead(request, request.body);
    const { ref, ...found } = await find(head, request.params);
    const warned = await warnOfChildren(head.principal, found, ref);
    const answered = answeredVersion(ref);
    return await askModel(
      ask,
      reply,
      head,
      found,
      200,
      (common) => ({ ...common, type: 'DeleteVersion', version: ref }),
      (state, events) => ({ ...answered(state, events), ...warned }),
    );
  }

  /** The same calls where a version is named under its model and where it is named by itself. */
  for (const [path, params] of [
    ['/models/:model/versions/:version', versionPath],
    ['/versions/:id', ownPath],
  ] as const) {
    const changing = {
      config: { permission: 'version:write' },
      schema: {
        summary:
          'Change what is said of a version, or make it the default; what is absent stays, null clears',
        tags: ['versions'],
        params,
        body: versionPatchBody,
        querystring: noQuery,
      },
    } as const;
    server.patch(path, changing, change);
    server.put(path, changing, change);
    server.delete(
      path,
      {
        config: { permission: 'version:archive' },
        schema: {
          summary: 'Delete a version that nothing uses; its number and label are never given again',
          description: warnsOfChildren,
          tags: ['versions'],
          params,
          body: reasonBody,
          querystring: noQuery,
        },
      },
      remove,
    );
  }
}
