// Registering a model and a version of it in one call, as document [4] does.
import { z } from 'zod';
import { stages } from '#events/model/shapes.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { standsFor } from '../document-names.ts';
import { modelFactsOf, modelFields, modelName, versionFactsOf } from '../fields.ts';
import type { RegisterVersion } from '../register-version.ts';
import { commandHead, commonOf, sendAnswer } from '../request.ts';
import { saidOfVersion, versionBody } from '../version-body.ts';
import { noQuery } from './query.ts';
import { assertMayStage } from './versions.ts';

/** The types of the documents: frameworks of [1], types of [3], categories of [0], tasks and types of [2]. */
const documentedTypes = [
  'sklearn',
  'tensorflow',
  'pytorch',
  'xgboost',
  'lightgbm',
  'onnx',
  'custom',
  'classification',
  'object_detection',
  'face_recognition',
  'segmentation',
  'audio',
  'predictive-optimization',
  'service-assurance',
  'network-intelligence',
  'anomaly-detection',
  'forecasting',
  'regression',
  'clustering',
  'generation',
  'embedding',
  'moderation',
  'transformer',
  'llm',
] as const;

/** What a model has and a version has not. */
const ofModelOnly = {
  owner: modelFields.owner,
  team: modelFields.team,
  project: modelFields.project,
  task: modelFields.task,
  subject: modelFields.subject,
  category: modelFields.category,
};

export function registrationRoutes(
  server: HttpServer,
  {
    registerVersion,
    modelTypes,
  }: { registerVersion: RegisterVersion; modelTypes: readonly string[] },
): void {
  const registerBody = versionBody(
    {
      ...saidOfVersion,
      ...ofModelOnly,
      model_name: modelName.nullish(),
      model_type: z.enum([...documentedTypes, ...modelTypes]).nullish(),
      stage: z.enum(stages).optional(),
    },
    { name: standsFor('model_name', modelName) },
    ['model_name'],
  );

  server.post(
    '/models/register',
    {
      config: { permission: 'version:write' },
      schema: {
        summary:
          'Register a version under a name: the first of a new model, or the next of a known one',
        description:
          'Description, tags, framework and model_type describe the version, and also the model where its name is new; owner, team, project, task, subject and category describe the model, and must be as they are where the name is known. A stage above development promotes the version in the same append.',
        tags: ['models'],
        body: registerBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { model_name: name, ...body } = request.body;
      const head = commandHead(request, body);
      const stage = body.stage ?? 'development';
      const is_default = body.is_default ?? false;
      assertMayStage(request, { stage, is_default });
      const { description, tags, framework, model_type } = body;
      const { owner, team, project, task, subject, category } = body;
      const ofModel = { owner, team, project, task, subject, category };
      const answered = await registerVersion({
        // whoever may not see the model learns what a registration of its name would tell
        head: { ...head, missing: () => new Problem('name_taken', { name }) },
        name,
        facts: modelFactsOf({ description, tags, framework, model_type, ...ofModel }),
        stated: Object.fromEntries(Object.entries(ofModel).filter(([, said]) => said != null)),
        version: {
          version_id: newId(),
          facts: versionFactsOf(body),
          stage,
          readiness: body.readiness ?? 'training',
          is_default,
        },
        common: (at) => commonOf(head, at),
      });
      return sendAnswer(reply, answered);
    },
  );
}
