// What can happen to a model. This is a storage format: add, never edit (a changed shape is a new schema version).
import { z } from 'zod';
import type { DomainEvent, RecordedEvent } from '../envelope.ts';

export const stages = ['development', 'staging', 'production', 'deprecated', 'archived'] as const;
export type Stage = (typeof stages)[number];
export const readinesses = ['training', 'testing', 'approved', 'rejected'] as const;
export type Readiness = (typeof readinesses)[number];
export const deploymentStatuses = [
  'requested',
  'deploying',
  'deployed',
  'failed',
  'superseded',
  'rolled_back',
  'undeployed',
] as const;
export type DeploymentStatus = (typeof deploymentStatuses)[number];
export const strategies = ['all_at_once', 'canary', 'shadow', 'ab'] as const;
export type Strategy = (typeof strategies)[number];
export const splits = ['training', 'validation', 'test'] as const;

const text = z.string();
const nullableText = z.string().nullable();
const count = z.int().nonnegative();
const stage = z.enum(stages);
const readiness = z.enum(readinesses);
const json = z.json();
const jsonObject = z.record(z.string(), json);
const tags = z.record(z.string(), z.string());

const contentDigest = z.object({
  sha256: nullableText,
  blake3: nullableText,
  origin: z.enum(['declared', 'computed']),
});
const metric = z.object({ name: text, split: z.enum(splits).nullable(), value: z.number() });
const signature = z.object({
  inputs: json,
  outputs: json,
  input_shape: z.array(z.number()).nullable(),
  output_shape: z.array(z.number()).nullable(),
  feature_schema: json,
});
const lineage = z.object({
  data_versions: z.array(text),
  code_version: nullableText,
  parent_versions: z.array(text),
  experiment_id: nullableText,
  run_id: nullableText,
});
const file = z.object({ path: text, sha256: text, size: count });

const registered = z.object({
  model_id: text,
  serial: count,
  name: text,
  description: nullableText,
  owner: nullableText,
  team: nullableText,
  project: nullableText,
  framework: nullableText,
  model_type: nullableText,
  task: nullableText,
  subject: nullableText,
  category: nullableText,
  tags,
  metadata: jsonObject,
});

/** New values of the changed fields, and what they were; maps are whole. */
const updated = z.object({ model_id: text, changed: jsonObject, previous: jsonObject });

const versioned = z.object({
  model_id: text,
  version_id: text,
  serial: count,
  number: count,
  label: nullableText,
  description: nullableText,
  tags,
  metadata: jsonObject,
  content_digest: contentDigest.nullable(),
  size_bytes: count.nullable(),
  artifact_uri: nullableText,
  files: z.array(file),
  format: nullableText,
  framework: nullableText,
  model_type: nullableText,
  region: nullableText,
  signature: signature.nullable(),
  metrics: z.array(metric),
  evaluated_at: nullableText,
  hyperparameters: jsonObject,
  training_config: jsonObject,
  eval_score: z.number().nullable(),
  cost_per_1k: z.number().nullable(),
  slo_ok: z.boolean().nullable(),
  runtime_environment: z.object({ dependencies: json, runtime: nullableText }).nullable(),
  lineage,
  release_notes: nullableText,
  stage,
  readiness,
});

const versionRef = { model_id: text, version_id: text, number: count, label: nullableText };

const promoted = z.object({
  ...versionRef,
  from_stage: stage,
  to_stage: stage,
  mode: z.enum(['normal', 'automated', 'rollback', 'reinstate', 'break_glass']),
  promotion_request_id: nullableText,
  approvals: z.array(json),
  gates: z.array(z.object({ gate: text, outcome: text, measured: json, threshold: json })),
  policy_ref: z
    .object({ scopes: z.array(text), versions: z.array(count), digest: text })
    .nullable(),
  content_digest: contentDigest.nullable(),
  evidence_digest: nullableText,
  superseded_version_id: nullableText,
  previous_production_version_id: nullableText,
  rollback_of: nullableText,
  reason: nullableText,
});

const archived = z.object({
  ...versionRef,
  from_stage: stage,
  cause: z.enum(['manual', 'retention_age', 'retention_count', 'superseded']),
  plan_id: nullableText,
  rule: z.object({ type: text, limit: json, measured: json }).nullable(),
  archive_uri: nullableText,
  purge_not_before: nullableText,
  reason: nullableText,
});

const stageMoved = z.object({
  ...versionRef,
  from_stage: stage,
  to_stage: stage,
  reason: nullableText,
});
const superseded = z.object({
  ...versionRef,
  from_stage: stage,
  to_stage: stage,
  superseded_by_version_id: text,
});
const deprecated = z.object({
  ...versionRef,
  from_stage: stage,
  sunset_at: nullableText,
  reason: nullableText,
});
const readinessMoved = z.object({
  ...versionRef,
  from_readiness: readiness,
  to_readiness: readiness,
  reason: nullableText,
});

/** `version_id` and `number` are null where no version is left to be the default. */
const defaultChanged = z.object({
  model_id: text,
  version_id: nullableText,
  number: count.nullable(),
  previous_version_id: nullableText,
  previous_number: count.nullable(),
  set_by: z.enum(['registry', 'caller']),
});

const deploymentRef = { deployment_id: text, ...versionRef };
const placement = {
  environment: text,
  region: nullableText,
  endpoint_url: nullableText,
  strategy: z.enum(strategies),
  traffic_percent: z.number(),
  config: jsonObject,
  content_digest: contentDigest.nullable(),
  replaces_deployment_id: nullableText,
  external_ref: nullableText,
};
const deploymentRequested = z.object({ ...deploymentRef, ...placement, requested_at: text });
const deployed = z.object({ ...deploymentRef, ...placement, deployed_at: text });
const deploymentMoved = z.object({
  ...deploymentRef,
  environment: text,
  region: nullableText,
  from_status: z.enum(deploymentStatuses),
  reason: nullableText,
});
const deploymentFailed = deploymentMoved.extend({ cause: z.enum(['reported', 'timed_out']) });
const deploymentSuperseded = deploymentMoved.extend({ superseded_by_deployment_id: text });
const trafficShifted = z.object({
  ...deploymentRef,
  environment: text,
  region: nullableText,
  from_percent: z.number(),
  to_percent: z.number(),
});

/** Every event type of a model's stream, with its current schema version and the shape of its data. */
export const modelEvents = {
  'model.registered': { schema_version: 1, data: registered },
  'model.updated': { schema_version: 1, data: updated },
  'model.versioned': { schema_version: 1, data: versioned },
  'model.promoted': { schema_version: 1, data: promoted },
  'model.deployed': { schema_version: 1, data: deployed },
  'model.archived': { schema_version: 1, data: archived },
  'version.demoted': { schema_version: 1, data: stageMoved },
  'version.superseded': { schema_version: 1, data: superseded },
  'version.deprecated': { schema_version: 1, data: deprecated },
  'version.restored': { schema_version: 1, data: stageMoved },
  'version.testing_started': { schema_version: 1, data: readinessMoved },
  'version.approved': { schema_version: 1, data: readinessMoved },
  'version.rejected': { schema_version: 1, data: readinessMoved },
  'default.changed': { schema_version: 1, data: defaultChanged },
  'deployment.requested': { schema_version: 1, data: deploymentRequested },
  'deployment.started': { schema_version: 1, data: deploymentMoved },
  'deployment.failed': { schema_version: 1, data: deploymentFailed },
  'deployment.superseded': { schema_version: 1, data: deploymentSuperseded },
  'deployment.undeployed': { schema_version: 1, data: deploymentMoved },
  'deployment.traffic_shifted': { schema_version: 1, data: trafficShifted },
} as const;

export type ModelEventType = keyof typeof modelEvents;
export type ModelEventData<T extends ModelEventType> = z.infer<(typeof modelEvents)[T]['data']>;

/** An event of a model's stream, discriminated by `type`. */
export type ModelEvent = {
  [T in ModelEventType]: DomainEvent<T, ModelEventData<T>>;
}[ModelEventType];
/** The same with one type picked. */
type ModelEventOf<T extends ModelEventType> = Extract<ModelEvent, { type: T }>;
export type RecordedModelEvent = RecordedEvent<ModelEvent>;

/** A table with a handler for every event type; a new type does not compile until each table says what it means. */
export type ModelEventHandlers<Row, Result> = {
  [T in ModelEventType]: (row: Row, event: RecordedEvent<ModelEventOf<T>>) => Result;
};
