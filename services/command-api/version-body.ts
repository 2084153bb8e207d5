// A new version as callers write it: its fields by their own names, or by those of documents [1] to [4].
import { z } from 'zod';
import { namedBody, standsFor } from './document-names.ts';
import {
  artifactUri,
  declaredBy,
  idOrSerial,
  label,
  metricValue,
  mixesSplits,
  modelName,
  prose,
  sha256,
  shape,
  versionFields,
  word,
} from './fields.ts';
import type { WrittenMetrics } from './fields.ts';

/** A number is meant as the number that the version gets, as a label of digits is. */
const writtenLabel = z.union([z.int().positive().transform(String), label], {
  error: 'must be a text, or the number that the version gets',
});

/** An array of numbers, or its JSON text, as a form carries it. */
const writtenShape = z.union([shape, z.string().transform(jsonOf).pipe(shape)], {
  error: 'must be an array of numbers, or its JSON text',
});

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const firstReadiness = z.enum(['training', 'testing']);

/** The names of a version's fields in the documents. */
const versionNames = {
  version: standsFor('label', writtenLabel),
  hash: standsFor('content_digest.sha256', sha256),
  storage_uri: standsFor('artifact_uri', artifactUri),
  accuracy: standsFor('metrics.accuracy', metricValue),
  precision: standsFor('metrics.precision', metricValue),
  recall: standsFor('metrics.recall', metricValue),
  f1_score: standsFor('metrics.f1_score', metricValue),
  mAP: standsFor('metrics.mAP', metricValue),
  input_shape: standsFor('signature.input_shape', writtenShape),
  output_shape: standsFor('signature.output_shape', writtenShape),
  data_version: standsFor(
    'lineage.data_versions',
    word.transform((only) => [only]),
  ),
  code_version: standsFor('lineage.code_version', word),
  status: standsFor('readiness', firstReadiness),
};

/** The schema of a body that makes a version, with what a route takes beside the version's facts. */
export const versionBody = <
  Beside extends z.ZodRawShape,
  const Needed extends keyof Beside & string = never,
>(
  beside: Beside,
  namesBeside: Parameters<typeof namedBody>[1] = {},
  needed: readonly Needed[] = [],
) =>
  namedBody({ ...versionFields, ...beside }, { ...versionNames, ...namesBeside }, needed).refine(
    (body) => !mixesSplits((body as { metrics?: WrittenMetrics | null }).metrics),
    { path: ['metrics'], message: 'must be flat or by split, not both at once' },
  );

/** What of a new version is no fact, but said of it. */
export const saidOfVersion = {
  readiness: firstReadiness.optional(),
  is_default: z.boolean().optional(),
  declared_by: declaredBy,
  reason: prose.nullish(),
};

const firstStage = z.enum(['development', 'staging', 'production']).optional();

export const newVersionBody = versionBody({ ...saidOfVersion, stage: firstStage });

/** The same where no path names the model. */
export const newVersionOfModelBody = versionBody(
  { ...saidOfVersion, stage: firstStage, model: word.nullish() },
  {
    model_id: standsFor('model', idOrSerial('model')),
    model_name: standsFor('model', modelName),
  },
  ['model'],
);
