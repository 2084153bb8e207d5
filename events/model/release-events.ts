// What can happen to a model, its versions and its pointers. A storage format: add, never edit.
import { z } from 'zod';
import {
  contentDigest,
  count,
  file,
  gateResult,
  json,
  jsonObject,
  lineage,
  metric,
  nullableText,
  policyRef,
  readiness,
  signature,
  stage,
  tags,
  text,
  versionRef,
} from './shapes.ts';

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

const promoted = z.object({
  ...versionRef,
  from_stage: stage,
  to_stage: stage,
  mode: z.enum(['normal', 'automated', 'rollback', 'reinstate', 'break_glass']),
  promotion_request_id: nullableText,
  approvals: z.array(json),
  gates: z.array(gateResult),
  policy_ref: policyRef.nullable(),
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

const renamed = z.object({ model_id: text, name: text, previous_name: text });
const modelMoved = z.object({ model_id: text, reason: nullableText });
/** The name is free from here on. */
const modelDeleted = z.object({ model_id: text, name: text, reason: nullableText });
const modelRestored = z.object({
  model_id: text,
  name: text,
  previous_name: text,
  reason: nullableText,
});

/** As `model.updated`, for what of a version may change: evaluation, cost, SLO, notes, tags, metadata. */
const versionUpdated = z.object({ ...versionRef, changed: jsonObject, previous: jsonObject });
/** `replaced_by_version_id` where another was activated in its place. */
const activated = z.object({ ...versionRef, reason: nullableText });
const deactivated = z.object({
  ...versionRef,
  replaced_by_version_id: nullableText,
  reason: nullableText,
});
const versionDeleted = z.object({
  ...versionRef,
  from_stage: stage,
  /** Absent in the first of these events. */
  from_readiness: readiness.optional(),
  reason: nullableText,
});

const aliasSet = z.object({
  ...versionRef,
  alias: text,
  previous_version_id: nullableText,
  previous_number: count.nullable(),
});
const aliasRemoved = z.object({ ...versionRef, alias: text, reason: nullableText });

/** `until` null: until it is released. */
const holdPlaced = z.object({ hold_id: text, ...versionRef, reason: text, until: nullableText });
const holdReleased = z.object({ hold_id: text, ...versionRef, reason: nullableText });

/** What an order of retention archived and what it kept, by number, and why. */
const retentionApplied = z.object({
  model_id: text,
  plan_id: nullableText,
  retention_count: count.nullable(),
  archived: z.array(count),
  kept: z.array(z.object({ number: count, because: text })),
});

const alert = z.object({
  model_id: text,
  version_id: nullableText,
  number: count.nullable(),
  /** Names the alert within the model, so that it can be cleared. */
  alert: text,
  kind: z.enum(['break_glass', 'sunset', 'deployment_timed_out']),
  detail: json,
});
const alertCleared = z.object({ model_id: text, alert: text, reason: nullableText });

export const releaseEvents = {
  'model.registered': { schema_version: 1, data: registered },
  'model.updated': { schema_version: 1, data: updated },
  'model.renamed': { schema_version: 1, data: renamed },
  'model.deactivated': { schema_version: 1, data: modelMoved },
  'model.reactivated': { schema_version: 1, data: modelMoved },
  'model.deleted': { schema_version: 1, data: modelDeleted },
  'model.restored': { schema_version: 1, data: modelRestored },
  'model.versioned': { schema_version: 1, data: versioned },
  'model.promoted': { schema_version: 1, data: promoted },
  'model.archived': { schema_version: 1, data: archived },
  'version.updated': { schema_version: 1, data: versionUpdated },
  'version.demoted': { schema_version: 1, data: stageMoved },
  'version.superseded': { schema_version: 1, data: superseded },
  'version.deprecated': { schema_version: 1, data: deprecated },
  'version.restored': { schema_version: 1, data: stageMoved },
  'version.activated': { schema_version: 1, data: activated },
  'version.deactivated': { schema_version: 1, data: deactivated },
  'version.deleted': { schema_version: 1, data: versionDeleted },
  'version.testing_started': { schema_version: 1, data: readinessMoved },
  'version.approved': { schema_version: 1, data: readinessMoved },
  'version.rejected': { schema_version: 1, data: readinessMoved },
  'version.approval_revoked': { schema_version: 1, data: readinessMoved },
  'default.changed': { schema_version: 1, data: defaultChanged },
  'alias.set': { schema_version: 1, data: aliasSet },
  'alias.removed': { schema_version: 1, data: aliasRemoved },
  'hold.placed': { schema_version: 1, data: holdPlaced },
  'hold.released': { schema_version: 1, data: holdReleased },
  'retention.applied': { schema_version: 1, data: retentionApplied },
  'alert.raised': { schema_version: 1, data: alert },
  'alert.cleared': { schema_version: 1, data: alertCleared },
} as const;
