// What an answer shows of folded rows. The write's answer and the view use the same functions, so they cannot differ.
import type { RecordedEvent } from '../envelope.ts';
import type { ModelEventData, ModelEventOf } from './events.ts';
import { flatMetrics, metricsBySplit } from './metrics.ts';
import type { Binding } from './binding-row.ts';
import type { Deployment } from './deployment-row.ts';
import type { Model } from './model-row.ts';
import { approvalsGiven, progressAt } from './promotion-row.ts';
import type { PromotionRequest } from './promotion-row.ts';
import type { Hold, Version } from './version-row.ts';

/** Where the model's stream stands: every resource under it carries this, and the ETag is `stream_version`. */
type StreamPlace = { stream_version: number; position: number };

/** How many versions there are, without the deleted ones. */
export const versionCountOf = ({ versions_by_stage: counts }: Model): number =>
  counts.development + counts.staging + counts.production + counts.deprecated + counts.archived;

export function modelResource(model: Model) {
  return {
    id: model.model_id,
    model_id: model.model_id,
    serial: model.serial,
    name: model.name,
    description: model.description,
    owner: model.owner,
    team: model.team,
    project: model.project,
    framework: model.framework,
    model_type: model.model_type,
    task: model.task,
    subject: model.subject,
    category: model.category,
    tags: model.tags,
    metadata: model.metadata,
    state: model.state,
    is_active: model.state === 'active',
    aliases: model.aliases,
    active_versions: model.active,
    default_version: model.default_number,
    default_version_id: model.default_version_id,
    production_version: model.production.at(-1) ?? null,
    latest_version: model.last_number === 0 ? null : model.last_number,
    version_count: versionCountOf(model),
    versions_by_stage: model.versions_by_stage,
    created_at: model.created_at,
    created_by: model.created_by.subject,
    declared_by: model.created_by.declared_by,
    updated_at: model.updated_at,
    deleted_at: model.deleted_at,
    position: model.position,
    stream_version: model.stream_version,
  };
}

/** The status of document [3]: the stage where it says so, else the readiness (`rejected` shows as `testing`). */
export function statusOf({ stage, readiness }: Version): string {
  if (stage === 'archived' || stage === 'deprecated') return stage;
  return readiness === 'rejected' ? 'testing' : readiness;
}

const only = <Item>(items: readonly Item[]): Item | null => (items.length === 1 ? items[0]! : null);

/** A version under its model, of which name and place in the stream are shown. */
export function versionResource(version: Version, model: Pick<Model, 'name'> & StreamPlace) {
  const { facts } = version;
  const metrics = flatMetrics(facts.metrics);
  const deployed = version.live.filter((deployment) => deployment.status === 'deployed');
  return {
    id: facts.version_id,
    version_id: facts.version_id,
    model_id: facts.model_id,
    model_name: model.name,
    serial: facts.serial,
    number: facts.number,
    label: facts.label,
    version: facts.label ?? String(facts.number),
    description: facts.description,
    tags: facts.tags,
    metadata: facts.metadata,
    stage: version.stage,
    readiness: version.readiness,
    status: statusOf(version),
    activation: version.activation,
    is_active: version.activation === 'active',
    aliases: version.aliases,
    holds: version.holds.map(shownHold),
    artifact: version.artifact,
    is_default: version.is_default,
    content_digest: facts.content_digest,
    hash: facts.content_digest?.sha256 ?? null,
    checksum: facts.content_digest?.sha256 ?? null,
    size_bytes: facts.size_bytes,
    file_size: facts.size_bytes,
    file_path: facts.files[0]?.path ?? null,
    artifact_uri: facts.artifact_uri,
    archive_uri: version.archive_uri,
    files: facts.files,
    format: facts.format,
    framework: facts.framework,
    model_type: facts.model_type,
    region: facts.region,
    signature: facts.signature,
    input_shape: facts.signature?.input_shape ?? null,
    output_shape: facts.signature?.output_shape ?? null,
    metrics,
    metrics_by_split: metricsBySplit(facts.metrics),
    accuracy: metrics['accuracy'] ?? null,
    precision: metrics['precision'] ?? null,
    recall: metrics['recall'] ?? null,
    f1_score: metrics['f1_score'] ?? null,
    mAP: metrics['mAP'] ?? null,
    evaluated_at: facts.evaluated_at,
    hyperparameters: facts.hyperparameters,
    training_config: facts.training_config,
    eval_score: facts.eval_score,
    cost_per_1k: facts.cost_per_1k,
    slo_ok: facts.slo_ok,
    runtime_environment: facts.runtime_environment,
    lineage: facts.lineage,
    data_version: only(facts.lineage.data_versions),
    code_version: facts.lineage.code_version,
    release_notes: facts.release_notes,
    deployed_to: [...new Set(deployed.map((deployment) => deployment.environment))],
    deployment_config: deployed.at(-1)?.config ?? null,
    created_at: version.created_at,
    created_by: version.created_by.subject,
    declared_by: version.created_by.declared_by,
    updated_at: version.updated_at,
    stage_changed_at: version.stage_changed_at,
    promoted_at: version.promoted_at,
    deprecated_at: version.deprecated_at,
    sunset_at: version.sunset_at,
    archived_at: version.archived_at,
    archive_cause: version.archive_cause,
    last_used_at: version.last_used_at,
    deleted_at: version.deleted_at,
    position: model.position,
    stream_version: model.stream_version,
  };
}

/** A model with the version that came to a stage last. */
export function modelInStageResource(model: Model, version: Version) {
  const shown = versionResource(version, model);
  return {
    ...modelResource(model),
    stage: version.stage,
    number: shown.number,
    version: shown.version,
    model_version: shown,
  };
}

/** What of a hold its version shows. */
const shownHold = ({ hold_id, reason, until, placed_at, placed_by }: Hold) => ({
  id: hold_id,
  hold_id,
  reason,
  until,
  placed_at,
  placed_by: placed_by.subject,
  declared_by: placed_by.declared_by,
});

type VersionNamed = Pick<
  ModelEventData<'hold.placed'>,
  'model_id' | 'version_id' | 'number' | 'label'
>;

const heldVersion = (
  { model_id, version_id, number, label }: VersionNamed,
  model: Pick<Model, 'name'> & StreamPlace,
) => ({
  model_id,
  model_name: model.name,
  version_id,
  number,
  label,
  version: label ?? String(number),
  position: model.position,
  stream_version: model.stream_version,
});

/** A hold by itself, with the version that it keeps. */
export const holdResource = (
  hold: Hold,
  { facts }: Version,
  model: Pick<Model, 'name'> & StreamPlace,
) => ({ ...shownHold(hold), ...heldVersion(facts, model) });

/** What is left of a hold when it is released; why it was placed is in the version's timeline. */
export const releasedHoldResource = (
  { data, recorded_at, actor }: RecordedEvent<ModelEventOf<'hold.released'>>,
  model: Pick<Model, 'name'> & StreamPlace,
) => ({
  id: data.hold_id,
  hold_id: data.hold_id,
  released_at: recorded_at,
  released_by: actor.subject,
  declared_by: actor.declared_by,
  reason: data.reason,
  ...heldVersion(data, model),
});

export function deploymentResource(
  deployment: Deployment,
  model: Pick<Model, 'name'> & StreamPlace,
) {
  return {
    id: deployment.deployment_id,
    deployment_id: deployment.deployment_id,
    model_id: deployment.model_id,
    model_name: model.name,
    version_id: deployment.version_id,
    model_version_id: deployment.version_id,
    number: deployment.number,
    label: deployment.label,
    version: deployment.label ?? String(deployment.number),
    environment: deployment.environment,
    deployment_target: deployment.environment,
    region: deployment.region,
    endpoint_url: deployment.endpoint_url,
    strategy: deployment.strategy,
    traffic_percent: deployment.traffic_percent,
    config: deployment.config,
    content_digest: deployment.content_digest,
    replaces_deployment_id: deployment.replaces_deployment_id,
    external_ref: deployment.external_ref,
    status: deployment.status,
    deployment_status: deployment.status,
    requested_at: deployment.requested_at,
    deployed_at: deployment.deployed_at,
    deployed_by: deployment.deployed_by.declared_by ?? deployment.deployed_by.subject,
    ended_at: deployment.ended_at,
    rollback_at: deployment.rollback_at,
    rollback_to_version_id: deployment.rollback_to_version_id,
    rollback_to_deployment_id: deployment.rollback_to_deployment_id,
    rollback_reason: deployment.rollback_at === null ? null : deployment.reason,
    reason: deployment.reason,
    created_at: deployment.created_at,
    updated_at: deployment.updated_at,
    position: model.position,
    stream_version: model.stream_version,
  };
}

export function bindingResource(binding: Binding, model: Pick<Model, 'name'> & StreamPlace) {
  return {
    id: binding.binding_id,
    binding_id: binding.binding_id,
    model_id: binding.model_id,
    model_name: model.name,
    version_id: binding.version_id,
    number: binding.number,
    label: binding.label,
    version: binding.label ?? String(binding.number),
    provider: binding.provider,
    provider_model_id: binding.provider_model_id,
    status: binding.status,
    config: binding.config,
    endpoint_url: binding.endpoint_url,
    avg_latency_ms: binding.avg_latency_ms,
    success_rate: binding.success_rate,
    last_used_at: binding.last_used_at,
    created_at: binding.created_at,
    created_by: binding.created_by.subject,
    declared_by: binding.created_by.declared_by,
    updated_at: binding.updated_at,
    removed_at: binding.removed_at,
    position: model.position,
    stream_version: model.stream_version,
  };
}

/** @param at when it is shown */
export function promotionResource(
  request: PromotionRequest,
  model: Pick<Model, 'name'> & StreamPlace,
  at: string,
) {
  return {
    id: request.promotion_request_id,
    promotion_request_id: request.promotion_request_id,
    model_id: request.model_id,
    model_name: model.name,
    version_id: request.version_id,
    number: request.number,
    label: request.label,
    version: request.label ?? String(request.number),
    from_stage: request.from_stage,
    to_stage: request.to_stage,
    state: progressAt(request, at),
    approvals_required: request.approvals_required,
    approvals_given: approvalsGiven(request),
    missing_approvals: Math.max(0, request.approvals_required - approvalsGiven(request)),
    decisions: request.decisions.map(({ actor, role, decision, reason, decided_at }) => ({
      subject: actor.subject,
      role,
      decision,
      reason,
      decided_at,
    })),
    gates: request.gates,
    content_digest: request.content_digest,
    evidence_digest: request.evidence_digest,
    policy_ref: request.policy_ref,
    auto_execute: request.auto_execute,
    expires_at: request.expires_at,
    stale_because: request.stale_because,
    reason: request.reason,
    requested_by: request.requested_by.subject,
    declared_by: request.requested_by.declared_by,
    requested_at: request.requested_at,
    ended_at: request.ended_at,
    created_at: request.requested_at,
    updated_at: request.updated_at,
    position: model.position,
    stream_version: model.stream_version,
  };
}

export type VersionResource = ReturnType<typeof versionResource>;
