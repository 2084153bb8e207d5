// Writes on models: register and describe.
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { modelResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelStream } from '#events/names.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { modelFactsOf, modelPatchBody, newModelBody } from '../fields.ts';
import { modelKind } from '../kinds.ts';
import { commandHead, commonOf, sendAnswer } from '../request.ts';
import { askModel, modelPath, noQuery } from './model-asking.ts';
import type { Asking } from './model-asking.ts';

export function modelRoutes(server: HttpServer, { ask, resolve }: Asking): void {
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
        ask,
        reply,
        head,
        resolve.model(head.tenant, request.params.model),
        200,
        (common) => ({ type: 'UpdateModel', patch, ...common }),
        (state) => modelResource(state.model!),
      );
    },
  );
}
