// A move of a version to whatever stage, as document [4] asks for it.
import { z } from 'zod';
import { stages } from '#events/model/shapes.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { namedBody, standsFor } from '../document-names.ts';
import { bodyVersion, bodyVersionRef, declaredBy, prose, word } from '../fields.ts';
import { commandHead } from '../request.ts';
import { moveNames } from './lifecycle.ts';
import { answeredVersion, askModel } from './model-asking.ts';
import type { Asking } from './model-asking.ts';
import { noQuery } from './query.ts';

const stage = z.enum(stages);
const transitionBody = namedBody(
  {
    model: word.nullish(),
    version: bodyVersion,
    to_stage: stage.nullish(),
    declared_by: declaredBy,
    reason: prose.nullish(),
  },
  { model_name: standsFor('model', word), ...moveNames(stage) },
  ['model', 'to_stage'],
);

export function transitionRoutes(server: HttpServer, { ask, resolve }: Asking): void {
  server.post(
    '/models/transition',
    {
      config: { permission: 'stage:change' },
      schema: {
        summary: 'Move a version to a stage, by the step that leads there from where it is',
        tags: ['lifecycle'],
        body: transitionBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { model, version, to_stage } = request.body;
      const head = commandHead(request, request.body);
      const ref = bodyVersionRef(version);
      return await askModel(
        ask,
        reply,
        head,
        resolve.model(head, model),
        200,
        (common) => ({ ...common, type: 'Transition', version: ref, to_stage }),
        answeredVersion(ref),
      );
    },
  );
}
