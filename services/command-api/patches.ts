// What callers may change of a model, a version and a binding, and what they may only say as it is.
import { z } from 'zod';
import { flatMetrics } from '#events/model/metrics.ts';
import { bindingStatuses } from '#events/model/binding-events.ts';
import { namedBody, standsFor } from './document-names.ts';
import {
  bindingFields,
  documentMetrics,
  freeJson,
  freeObject,
  metricValue,
  metricsOf,
  modelFields,
  modelName,
  patchedTags,
  prose,
  versionFields,
  word,
} from './fields.ts';

const reason = prose.nullish();

/** Shown by answers, and changed by no body: whoever reads, changes something and writes it back sends these as they were. */
const asStored = <Name extends string>(...names: readonly Name[]) =>
  Object.fromEntries(names.map((name) => [name, freeJson.optional()])) as Record<
    Name,
    z.ZodOptional<typeof freeJson>
  >;

/** What a body wants changed, and what it only states. */
function parted<Body extends object, Name extends string>(
  body: Body,
  stated: Readonly<Record<Name, unknown>>,
): { changes: Omit<Body, Name>; stated: Readonly<Record<string, unknown>> } {
  const only = (wanted: boolean) =>
    Object.fromEntries(
      Object.entries(body).filter(([field]) => Object.hasOwn(stated, field) === wanted),
    );
  return { changes: only(false) as Omit<Body, Name>, stated: only(true) };
}

const modelStated = asStored(
  'id',
  'model_id',
  'serial',
  'state',
  'aliases',
  'active_versions',
  'default_version',
  'default_version_id',
  'production_version',
  'latest_version',
  'version_count',
  'versions_by_stage',
  'created_at',
  'created_by',
  'declared_by',
  'updated_at',
  'deleted_at',
  'position',
  'stream_version',
);

/** null clears; `tags` and `metadata` merge by key; `name` renames, `is_active` switches the model on and off. */
export const modelPatchBody = z.strictObject({
  name: modelName.optional(),
  is_active: z.boolean().optional(),
  ...modelFields,
  tags: patchedTags,
  metadata: freeObject.nullish(),
  reason,
  ...modelStated,
});

export function modelPatchOf({
  reason: _reason,
  name,
  is_active,
  ...body
}: z.infer<typeof modelPatchBody>) {
  const { changes: patch, stated } = parted(body, modelStated);
  return { name, is_active, patch, stated };
}

const versionStated = asStored(
  'id',
  'version_id',
  'model_id',
  'model_name',
  'serial',
  'number',
  'label',
  'version',
  'stage',
  'readiness',
  'status',
  'activation',
  'is_active',
  'aliases',
  'holds',
  'artifact',
  'content_digest',
  'hash',
  'checksum',
  'size_bytes',
  'file_size',
  'file_path',
  'artifact_uri',
  'archive_uri',
  'files',
  'format',
  'framework',
  'model_type',
  'signature',
  'input_shape',
  'output_shape',
  'metrics_by_split',
  'hyperparameters',
  'training_config',
  'runtime_environment',
  'lineage',
  'data_version',
  'code_version',
  'deployed_to',
  'deployment_config',
  'created_at',
  'created_by',
  'declared_by',
  'updated_at',
  'stage_changed_at',
  'promoted_at',
  'deprecated_at',
  'sunset_at',
  'archived_at',
  'archive_cause',
  'last_used_at',
  'deleted_at',
  'position',
  'stream_version',
);

const metricFields = Object.fromEntries(
  documentMetrics.map((name) => [
    name,
    metricValue.nullish().describe(`A document's name of \`metrics.${name}\`; the others stay`),
  ]),
) as Record<(typeof documentMetrics)[number], z.ZodOptional<z.ZodNullable<typeof metricValue>>>;

/** null clears; `tags` and `metadata` merge by key, `metrics` are replaced whole. */
export const versionPatchBody = namedBody(
  {
    description: versionFields.description,
    region: versionFields.region,
    metrics: versionFields.metrics,
    ...metricFields,
    evaluated_at: versionFields.evaluated_at,
    eval_score: versionFields.eval_score,
    cost_per_1k: versionFields.cost_per_1k,
    slo_ok: versionFields.slo_ok,
    release_notes: versionFields.release_notes,
    tags: patchedTags,
    metadata: freeObject.nullish(),
    is_default: z.boolean().optional(),
    reason,
    ...versionStated,
  },
  { storage_uri: standsFor('artifact_uri', freeJson) },
).superRefine(({ metrics, ...body }, context) => {
  if (metrics === undefined) return;
  const flat = flatMetrics(metricsOf(metrics));
  const isBySplit = Object.values(metrics ?? {}).some((of) => typeof of === 'object');
  for (const name of documentMetrics)
    if (body[name] !== undefined && body[name] !== (flat[name] ?? null))
      context.addIssue({
        code: 'custom',
        path: [name],
        message: isBySplit
          ? 'has no split, so it is not changed beside metrics by split'
          : `and metrics.${name} are one field, and must not differ`,
      });
});

type MetricValues = Readonly<Record<string, number | null>>;

export function versionPatchOf({
  reason: _reason,
  is_default,
  metrics,
  ...body
}: z.infer<typeof versionPatchBody>) {
  const { changes: described, stated } = parted(body, versionStated);
  const { changes, stated: single } = parted(described, metricFields);
  if (metrics !== undefined)
    return { is_default, patch: { ...changes, metrics: metricsOf(metrics) }, stated };
  return { is_default, patch: changes, metric_values: single as MetricValues, stated };
}

const bindingStated = asStored(
  'id',
  'binding_id',
  'model_id',
  'model_name',
  'version_id',
  'number',
  'label',
  'version',
  'created_at',
  'created_by',
  'declared_by',
  'updated_at',
  'removed_at',
  'position',
  'stream_version',
);

export const bindingPatchBody = z.strictObject({
  provider: word.optional(),
  provider_model_id: word.optional(),
  status: z.enum(bindingStatuses).optional(),
  ...bindingFields,
  reason,
  ...bindingStated,
});

export function bindingPatchOf({ reason: _reason, ...body }: z.infer<typeof bindingPatchBody>) {
  const { changes, stated } = parted(body, bindingStated);
  const { config } = changes;
  return { patch: { ...changes, config: config === null ? {} : config }, stated };
}
