// What callers may send: every field of a model, a version and a deployment, parsed once at the edge.
import { z } from 'zod';
import { isOrdinaryTime } from '#events/days.ts';
import type { NewVersion, VersionRef } from '#events/model/commands.ts';
import { splits, strategies } from '#events/model/shapes.ts';
import type { ModelEventData } from '#events/model/events.ts';
import type { Metric } from '#events/model/metrics.ts';
import { labelFault, modelNameFault, wordFault } from '#events/names.ts';
import { artifactUriFault } from './artifact-uri.ts';
import { credentialPaths, looksLikeCredential } from './credential-keys.ts';
import { namedBody, standsFor } from './document-names.ts';

/** Short texts: owner, team, framework, environment … */
const wordCharactersMax = 256;
const textCharactersMax = 16_384;
const tagsMax = 256;
const urlCharactersMax = 2_048;
const metricsMax = 1_000;
const filesMax = 10_000;
const listMax = 1_000;

const word = z
  .string()
  .min(1)
  .max(wordCharactersMax)
  .superRefine((text, context) => {
    const fault = wordFault(text);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });
const prose = z.string().max(textCharactersMax);
const optional = <T extends z.ZodType>(schema: T) => schema.nullish();

/** Free JSON; its depth and text are checked for the whole body before. */
export const freeJson = z.custom<ModelEventData<'model.updated'>['changed'][string]>(
  (value) => value !== undefined,
);
export const freeObject = z.record(z.string(), freeJson);

export const modelName = z.string().superRefine((name, context) => {
  const fault = modelNameFault(name);
  if (fault !== null)
    context.addIssue({
      code: 'custom',
      message: fault.message,
      params: { reserved: fault.reserved },
    });
});

export const label = z.string().superRefine((text, context) => {
  const fault = labelFault(text);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

const tagKey = z.string().min(1).max(wordCharactersMax);
const tagValue = z.string().max(1_024);
const limited = <K, V>(record: z.ZodType<Record<string, V>, K>, most: number) =>
  record.refine((value) => Object.keys(value).length <= most, `must have at most ${most} keys`);

const tags = limited(z.record(tagKey, tagValue), tagsMax);
/** Merged by key; null removes one. */
export const patchedTags = limited(z.record(tagKey, tagValue.nullable()), tagsMax).nullish();
/** Any RFC 3339 time of these centuries, kept in UTC with milliseconds; PostgreSQL and JSON know no more offsets or years. */
const time = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .refine((at) => isOrdinaryTime(at.getTime()), 'must be between 1970 and 9999')
  .transform((at) => at.toISOString());

export const modelFields = {
  description: optional(prose),
  owner: optional(word),
  team: optional(word),
  project: optional(word),
  framework: optional(word),
  model_type: optional(word),
  task: optional(word),
  subject: optional(word),
  category: optional(word),
};

/** A name that the caller chose to record beside the authenticated subject. */
export const declaredBy = optional(word);

export const newModelBody = namedBody(
  {
    name: optional(modelName),
    is_active: z.boolean().optional(),
    ...modelFields,
    declared_by: declaredBy,
    reason: optional(prose),
    tags: optional(tags),
    metadata: optional(freeObject),
  },
  { model_name: standsFor('name', modelName) },
  ['name'],
);

export const sha256 = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits');
export const shape = z.array(z.number()).max(listMax);

const metricName = z.string().min(1).max(wordCharactersMax);
export const metricValue = z.number({ error: 'must be a finite number' });
/** Metrics that the documents name as fields of a version. */
export const documentMetrics = ['accuracy', 'precision', 'recall', 'f1_score', 'mAP'] as const;
const isSplit: ReadonlySet<string> = new Set(splits);

/** Whether metrics without a split stand beside metrics by split. */
export function mixesSplits(written: WrittenMetrics | null | undefined): boolean {
  let first: string | undefined;
  for (const name in written) {
    const kind = typeof written[name];
    if (kind !== (first ??= kind)) return true;
  }
  return false;
}

/** A flat map has no split; a map of maps is by split; both at once is refused. */
const metrics = z
  .record(
    metricName,
    z.union([metricValue, z.record(metricName, metricValue)], {
      error: 'must be a finite number, or a map of such',
    }),
  )
  .superRefine((written, context) => {
    let count = 0;
    for (const [name, value] of Object.entries(written)) {
      count += typeof value === 'number' ? 1 : Object.keys(value).length;
      if (typeof value !== 'number' && !isSplit.has(name))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: `must be a finite number, as it is none of the splits ${splits.join(', ')}`,
        });
    }
    if (count > metricsMax)
      context.addIssue({ code: 'custom', message: `must have at most ${metricsMax} metrics` });
    if (mixesSplits(written))
      context.addIssue({ code: 'custom', message: 'must be flat or by split, not both at once' });
  });

export const artifactUri = z.string().superRefine((uri, context) => {
  const fault = artifactUriFault(uri);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

export const versionFields = {
  label: optional(label),
  description: optional(prose),
  tags: optional(tags),
  metadata: optional(freeObject),
  content_digest: optional(
    z
      .strictObject({ sha256: optional(sha256), blake3: optional(sha256) })
      .refine((digest) => digest.sha256 || digest.blake3, 'must have sha256 or blake3'),
  ),
  size_bytes: optional(z.int().nonnegative()),
  artifact_uri: optional(artifactUri),
  files: optional(
    z.array(z.strictObject({ path: word, sha256, size: z.int().nonnegative() })).max(filesMax),
  ),
  format: optional(word),
  framework: optional(word),
  model_type: optional(word),
  region: optional(word),
  signature: optional(
    z.strictObject({
      inputs: optional(freeJson),
      outputs: optional(freeJson),
      input_shape: optional(shape),
      output_shape: optional(shape),
      feature_schema: optional(freeJson),
    }),
  ),
  metrics: optional(metrics),
  evaluated_at: optional(time),
  hyperparameters: optional(freeObject),
  training_config: optional(freeObject),
  eval_score: optional(z.number().min(0).max(1)),
  cost_per_1k: optional(z.number().nonnegative()),
  slo_ok: optional(z.boolean()),
  runtime_environment: optional(
    z.strictObject({ dependencies: optional(freeJson), runtime: optional(word) }),
  ),
  lineage: optional(
    z.strictObject({
      data_versions: optional(z.array(word).max(listMax)),
      code_version: optional(word),
      parent_versions: optional(z.array(word).max(listMax)),
      experiment_id: optional(word),
      run_id: optional(word),
    }),
  ),
  release_notes: optional(prose),
};

export const reasonBody = z.strictObject({ reason: optional(prose) }).nullish();

/** Where something answers; whoever may read sees it, so it opens nothing. */
const endpointUrl = z
  .url({ protocol: /^https?$/ })
  .max(urlCharactersMax)
  .superRefine((text, context) => {
    if (!URL.canParse(text)) return;
    const { username, password, searchParams } = new URL(text);
    if (username !== '' || password !== '')
      context.addIssue({ code: 'custom', message: 'must not hold user info' });
    for (const key of searchParams.keys())
      if (looksLikeCredential(key))
        context.addIssue({ code: 'custom', message: `must not hold a credential: ${key}` });
  });

const deploymentFields = {
  environment: optional(word),
  region: optional(word),
  endpoint_url: optional(endpointUrl),
  strategy: z.enum(strategies).default('all_at_once'),
  traffic_percent: optional(z.number().gt(0).max(100).or(z.literal(0))),
  config: optional(freeObject),
  external_ref: optional(word),
  declared_by: declaredBy,
  reason: optional(prose),
};
const deploymentNames = {
  deployment_target: standsFor('environment', word),
  deployed_by: standsFor('declared_by', word),
  deployment_config: standsFor('config', freeObject),
};

export const deploymentBody = namedBody(
  { ...deploymentFields, status: z.enum(['requested', 'deployed']).default('requested') },
  deploymentNames,
  ['environment'],
);

export const deploymentStatusBody = z.strictObject({
  status: z.enum(['deploying', 'deployed', 'failed']),
  endpoint_url: optional(endpointUrl),
  /** The registry's own sweep says that it gave up waiting. */
  cause: z.enum(['reported', 'timed_out']).default('reported'),
  reason: optional(prose),
});

export const trafficBody = z.strictObject({
  traffic_percent: z.number().min(0).max(100),
  reason: optional(prose),
});

/** A version in a body: a JSON number is the number, a text the label, then the number. */
export const bodyVersion = z.union([z.int().positive(), word]);

export const rollbackDeploymentBody = z
  .strictObject({ to: optional(bodyVersion), reason: optional(prose) })
  .nullish();

/** Tells of a deployment that is done, as document [3] does. */
export const deployBody = namedBody(
  { ...deploymentFields, model: optional(word), version: bodyVersion },
  { ...deploymentNames, model_name: standsFor('model', word) },
  ['model', 'environment'],
);

const bindingConfig = freeObject.superRefine((config, context) => {
  for (const path of credentialPaths(config))
    context.addIssue({
      code: 'custom',
      path,
      message:
        'looks like a credential; keep it where secrets are kept, and name only its place here',
    });
});

export const bindingFields = {
  config: optional(bindingConfig),
  endpoint_url: optional(endpointUrl),
  avg_latency_ms: optional(z.number().nonnegative()),
  success_rate: optional(z.number().min(0).max(1)),
  last_used_at: optional(time),
};

/** An id or a serial, which a number is too; never a name. */
export const idOrSerial = (of: 'model' | 'version') =>
  z.union([z.int().positive().transform(String), z.uuid(), z.string().regex(/^[0-9]{1,9}$/)], {
    error: `must be the id or the serial of a ${of}`,
  });

export const newBindingBody = z.strictObject({
  version_id: idOrSerial('version'),
  provider: word,
  provider_model_id: word,
  status: z.enum(['inactive', 'active']).default('inactive'),
  ...bindingFields,
  declared_by: declaredBy,
  reason: optional(prose),
});

export const bodyVersionRef = (version: z.infer<typeof bodyVersion>): VersionRef =>
  typeof version === 'number' ? { by: 'number', number: version } : { by: 'text', text: version };

export { prose, time, word };
export { versionRefOf } from '#events/model/version-ref.ts';

export type WrittenMetrics = Record<string, number | Record<string, number>>;

export function metricsOf(written: WrittenMetrics | null | undefined): Metric[] {
  const list: Metric[] = [];
  for (const [key, value] of Object.entries(written ?? {}))
    if (typeof value === 'number') list.push({ name: key, split: null, value });
    else
      for (const [name, measured] of Object.entries(value))
        list.push({ name, split: key as Metric['split'], value: measured });
  return list;
}

/** The version's facts as an event holds them: what was not sent is null or empty. */
export function versionFactsOf(
  body: z.infer<z.ZodObject<typeof versionFields>>,
): NewVersion['facts'] {
  const { content_digest: digest, signature, lineage, runtime_environment: runtime } = body;
  return {
    label: body.label ?? null,
    description: body.description ?? null,
    tags: body.tags ?? {},
    metadata: body.metadata ?? {},
    content_digest: digest
      ? { sha256: digest.sha256 ?? null, blake3: digest.blake3 ?? null, origin: 'declared' }
      : null,
    size_bytes: body.size_bytes ?? null,
    artifact_uri: body.artifact_uri ?? null,
    files: body.files ?? [],
    format: body.format ?? null,
    framework: body.framework ?? null,
    model_type: body.model_type ?? null,
    region: body.region ?? null,
    signature: signature
      ? {
          inputs: signature.inputs ?? null,
          outputs: signature.outputs ?? null,
          input_shape: signature.input_shape ?? null,
          output_shape: signature.output_shape ?? null,
          feature_schema: signature.feature_schema ?? null,
        }
      : null,
    metrics: metricsOf(body.metrics),
    evaluated_at: body.evaluated_at ?? null,
    hyperparameters: body.hyperparameters ?? {},
    training_config: body.training_config ?? {},
    eval_score: body.eval_score ?? null,
    cost_per_1k: body.cost_per_1k ?? null,
    slo_ok: body.slo_ok ?? null,
    runtime_environment: runtime
      ? { dependencies: runtime.dependencies ?? null, runtime: runtime.runtime ?? null }
      : null,
    lineage: {
      data_versions: lineage?.data_versions ?? [],
      code_version: lineage?.code_version ?? null,
      parent_versions: lineage?.parent_versions ?? [],
      experiment_id: lineage?.experiment_id ?? null,
      run_id: lineage?.run_id ?? null,
    },
    release_notes: body.release_notes ?? null,
  };
}

/** The model's facts as an event holds them. */
export function modelFactsOf(body: Omit<z.infer<typeof newModelBody>, 'name'>) {
  return {
    description: body.description ?? null,
    owner: body.owner ?? null,
    team: body.team ?? null,
    project: body.project ?? null,
    framework: body.framework ?? null,
    model_type: body.model_type ?? null,
    task: body.task ?? null,
    subject: body.subject ?? null,
    category: body.category ?? null,
    tags: body.tags ?? {},
    metadata: body.metadata ?? {},
  };
}

/** A custom name of a version; `@alias` stands for it in a path. */
export const alias = z
  .string()
  .max(64)
  .regex(
    /^[A-Za-z][A-Za-z0-9._-]*$/,
    'must begin with a letter, then letters, digits, ".", "_" or "-"',
  );
