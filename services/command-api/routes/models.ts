// Writes on models: register, change, delete and restore.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { modelResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelStream } from '#events/names.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { isRecordedNow } from '../ask/asked.ts';
import { modelFactsOf, modelName, newModelBody, prose, reasonBody } from '../fields.ts';
import { warnsOfChildren } from '../children.ts';
import type { WarnOfChildren } from '../children.ts';
import { modelKind } from '../kinds.ts';
import { modelPatchBody, modelPatchOf } from '../patches.ts';
import { commandHead, commonOf, sendAnswer } from '../request.ts';
import { askModel, askModelOfPath, modelPath } from './model-asking.ts';
import type { Asking } from './model-asking.ts';
import { noQuery } from './query.ts';

const restoreBody = z
  .strictObject({ name: modelName.nullish(), reason: prose.nullish() })
  .nullish();

const sameModel = (state: ModelState) => modelResource(state.model!);

export function modelRoutes(
  server: HttpServer,
  asking: Asking & { warnOfChildren: WarnOfChildren },
): void {
  const { ask, resolve, warnOfChildren } = asking;

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
      const { body } = request;
      const { name } = body;
      const head = commandHead(request, body);
      const model_id = newId();
      const stream = modelStream(head.tenant, model_id);
      const answered = await ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, object>(
        {
          ...head,
          kind: modelKind,
          stream,
          isNew: true,
          status: 201,
          command: (at) => ({
            ...commonOf(head, at),
            type: 'RegisterModel',
            model_id,
            name,
            facts: modelFactsOf(body),
            is_active: body.is_active,
            first_version: null,
          }),
          answer: sameModel,
        },
      );
      if (isRecordedNow(answered)) resolve.learnModel(head.tenant, name, stream);
      return sendAnswer(reply, answered);
    },
  );

  async function change(
    request: FastifyRequest<{
      Params: z.infer<typeof modelPath>;
      Body: z.infer<typeof modelPatchBody>;
    }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const head = commandHead(request, { reason: request.body.reason });
    const wanted = modelPatchOf(request.body);
    return await askModel(
      ask,
      reply,
      head,
      resolve.model(head, request.params.model),
      200,
      (common) => ({ ...common, type: 'UpdateModel', ...wanted }),
      sameModel,
    );
  }

  const changing = {
    config: { permission: 'model:write' },
    schema: {
      summary:
        'Change a model; what is absent stays, null clears, tags and metadata merge by key, a new name moves the old one',
      tags: ['models'],
      params: modelPath,
      body: modelPatchBody,
      querystring: noQuery,
    },
  } as const;
  server.patch('/models/:model', changing, change);
  server.put('/models/:model', changing, change);

  server.delete(
    '/models/:model',
    {
      config: { permission: 'model:write' },
      schema: {
        summary:
          'Delete a model that nothing uses; its name is free, and by its id it is shown as deleted',
        description: warnsOfChildren,
        tags: ['models'],
        params: modelPath,
        body: reasonBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const head = commandHead(request, request.body);
      const found = await resolve.model(head, request.params.model);
      const warned = await warnOfChildren(head.principal, found, null);
      return await askModel(
        ask,
        reply,
        head,
        found,
        200,
        (common) => ({ ...common, type: 'DeleteModel' }),
        (state) => ({ ...sameModel(state), ...warned }),
      );
    },
  );

  server.post(
    '/models/:model/restore',
    {
      config: { permission: 'model:write' },
      schema: {
        summary: 'Bring a deleted model back, by its id, under its name or another',
        tags: ['models'],
        params: modelPath,
        body: restoreBody,
        querystring: noQuery,
      },
    },
    (request, reply) => {
      const name = request.body?.name ?? null;
      return askModelOfPath(
        asking,
        request,
        reply,
        200,
        (common) => ({ ...common, type: 'RestoreModel', name }),
        sameModel,
      );
    },
  );
}
