// Events as they could have happened to one model, so that a test names only what matters to it.
import type { ModelEvent, ModelEventData, ModelEventType } from '#events/model/events.ts';
import type { Readiness, Stage } from '#events/model/shapes.ts';

export const modelId = '01940000-0000-7000-8000-000000000000';
export const noon = '2026-11-21T12:00:00.000Z';

/** Before it, the bytes of what is archived at noon are not purged, unless a policy says otherwise: 1,095 days. */
const purgeAfterNoon = '2029-11-20T12:00:00.000Z';

/** The id of the version with this number. */
export const versionId = (number: number): string =>
  `01940000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** The id of the deployment that a test calls by this number. */
export const deploymentId = (number: number): string =>
  `01940000-0000-7000-9000-${String(number).padStart(12, '0')}`;

/** The id of the binding that a test calls by this number. */
export const bindingId = (number: number): string =>
  `01940000-0000-7000-c000-${String(number).padStart(12, '0')}`;

const versionRef = (number: number) => ({
  model_id: modelId,
  version_id: versionId(number),
  number,
  label: null,
});

/** A model's facts where nothing was said. */
export const noModelFacts = {
  description: null,
  owner: null,
  team: null,
  project: null,
  framework: null,
  model_type: null,
  task: null,
  subject: null,
  category: null,
  tags: {},
  metadata: {},
};

/** A version's facts where nothing was said. */
export const noVersionFacts = {
  label: null,
  description: null,
  tags: {},
  metadata: {},
  content_digest: null,
  size_bytes: null,
  artifact_uri: null,
  files: [],
  format: null,
  framework: null,
  model_type: null,
  region: null,
  signature: null,
  metrics: [],
  evaluated_at: null,
  hyperparameters: {},
  training_config: {},
  eval_score: null,
  cost_per_1k: null,
  slo_ok: null,
  runtime_environment: null,
  lineage: {
    data_versions: [],
    code_version: null,
    parent_versions: [],
    experiment_id: null,
    run_id: null,
  },
  release_notes: null,
};

type Data<Type extends ModelEventType> = Partial<ModelEventData<Type>>;

export const registered = (data: Data<'model.registered'> = {}): ModelEvent => ({
  type: 'model.registered',
  data: { model_id: modelId, serial: 0, name: 'churn', ...noModelFacts, ...data },
});

export const updated = (
  changed: ModelEventData<'model.updated'>['changed'],
  previous: ModelEventData<'model.updated'>['previous'],
): ModelEvent => ({ type: 'model.updated', data: { model_id: modelId, changed, previous } });

export const versioned = (number: number, data: Data<'model.versioned'> = {}): ModelEvent => ({
  type: 'model.versioned',
  data: {
    model_id: modelId,
    version_id: versionId(number),
    serial: 0,
    number,
    ...noVersionFacts,
    stage: 'development',
    readiness: 'training',
    ...data,
  },
});

export const promoted = (
  number: number,
  from_stage: Stage,
  to_stage: Stage,
  data: Data<'model.promoted'> = {},
): ModelEvent => ({
  type: 'model.promoted',
  data: {
    ...versionRef(number),
    from_stage,
    to_stage,
    mode: 'normal',
    promotion_request_id: null,
    approvals: [],
    gates: [],
    policy_ref: null,
    content_digest: null,
    evidence_digest: null,
    superseded_version_id: null,
    previous_production_version_id: null,
    rollback_of: null,
    reason: null,
    ...data,
  },
});

/** The promotion that takes the place of the version with the number `incumbent`. */
export const promotedOver = (
  number: number,
  from_stage: Stage,
  incumbent: number,
  data: Data<'model.promoted'> = {},
): ModelEvent =>
  promoted(number, from_stage, 'production', {
    superseded_version_id: versionId(incumbent),
    previous_production_version_id: versionId(incumbent),
    ...data,
  });

export const archived = (
  number: number,
  from_stage: Stage,
  data: Data<'model.archived'> = {},
): ModelEvent => ({
  type: 'model.archived',
  data: {
    ...versionRef(number),
    from_stage,
    cause: 'manual',
    plan_id: null,
    rule: null,
    archive_uri: null,
    purge_not_before: purgeAfterNoon,
    reason: null,
    ...data,
  },
});

export const demoted = (number: number, from_stage: Stage, to_stage: Stage): ModelEvent => ({
  type: 'version.demoted',
  data: { ...versionRef(number), from_stage, to_stage, reason: null },
});

export const restored = (number: number, to_stage: Stage): ModelEvent => ({
  type: 'version.restored',
  data: { ...versionRef(number), from_stage: 'archived', to_stage, reason: null },
});

export const superseded = (number: number, by: number): ModelEvent => ({
  type: 'version.superseded',
  data: {
    ...versionRef(number),
    from_stage: 'production',
    to_stage: 'deprecated',
    superseded_by_version_id: versionId(by),
  },
});

export const deprecated = (
  number: number,
  from_stage: Stage,
  sunset_at: string | null = null,
): ModelEvent => ({
  type: 'version.deprecated',
  data: { ...versionRef(number), from_stage, sunset_at, reason: null },
});

const readinessMoved = (number: number, from: Readiness, to: Readiness, reason: string | null) => ({
  ...versionRef(number),
  from_readiness: from,
  to_readiness: to,
  reason,
});
export const testingStarted = (number: number, from: Readiness): ModelEvent => ({
  type: 'version.testing_started',
  data: readinessMoved(number, from, 'testing', null),
});
export const approved = (number: number, from: Readiness): ModelEvent => ({
  type: 'version.approved',
  data: readinessMoved(number, from, 'approved', null),
});
export const rejected = (number: number, from: Readiness): ModelEvent => ({
  type: 'version.rejected',
  data: readinessMoved(number, from, 'rejected', null),
});
export const versionDeleted = (number: number): ModelEvent => ({
  type: 'version.deleted',
  data: {
    ...versionRef(number),
    from_stage: 'development',
    from_readiness: 'training',
    reason: null,
  },
});
export const approvalRevoked = (number: number): ModelEvent => ({
  type: 'version.approval_revoked',
  data: readinessMoved(number, 'approved', 'testing', null),
});

export const defaultChanged = (
  number: number | null,
  previous: number | null,
  set_by: 'registry' | 'caller' = 'registry',
): ModelEvent => ({
  type: 'default.changed',
  data: {
    model_id: modelId,
    version_id: number === null ? null : versionId(number),
    number,
    previous_version_id: previous === null ? null : versionId(previous),
    previous_number: previous,
    set_by,
  },
});

/** A registered model with so many versions in development, of which the first is the default. */
export const modelWith = (versions: number): ModelEvent[] => [
  registered(),
  ...Array.from({ length: versions }, (_, index) => versioned(index + 1)).flatMap((event, index) =>
    index === 0 ? [event, defaultChanged(1, null)] : [event],
  ),
];

const deploymentRef = (deployment: number, number: number) => ({
  deployment_id: deploymentId(deployment),
  ...versionRef(number),
});
const placement = {
  environment: 'eu-prod',
  region: null,
  endpoint_url: null,
  strategy: 'all_at_once' as const,
  traffic_percent: 100,
  config: {},
  content_digest: null,
  replaces_deployment_id: null,
  external_ref: null,
};

export const deploymentRequested = (
  deployment: number,
  number: number,
  data: Data<'deployment.requested'> = {},
): ModelEvent => ({
  type: 'deployment.requested',
  data: { ...deploymentRef(deployment, number), ...placement, requested_at: noon, ...data },
});

export const deployed = (
  deployment: number,
  number: number,
  data: Data<'model.deployed'> = {},
): ModelEvent => ({
  type: 'model.deployed',
  data: { ...deploymentRef(deployment, number), ...placement, deployed_at: noon, ...data },
});

type Moved = Data<'deployment.started'>;
const deploymentMoved = (deployment: number, number: number, from: string, data: Moved) => ({
  ...deploymentRef(deployment, number),
  environment: 'eu-prod',
  region: null,
  from_status: from as ModelEventData<'deployment.started'>['from_status'],
  reason: null,
  ...data,
});
export const deploymentStarted = (deployment: number, number: number): ModelEvent => ({
  type: 'deployment.started',
  data: deploymentMoved(deployment, number, 'requested', {}),
});
export const deploymentFailed = (
  deployment: number,
  number: number,
  from: 'requested' | 'deploying',
  data: Moved = {},
): ModelEvent => ({
  type: 'deployment.failed',
  data: { ...deploymentMoved(deployment, number, from, data), cause: 'reported' },
});
export const deploymentSuperseded = (
  deployment: number,
  number: number,
  by: number,
  data: Moved = {},
): ModelEvent => ({
  type: 'deployment.superseded',
  data: {
    ...deploymentMoved(deployment, number, 'deployed', data),
    superseded_by_deployment_id: deploymentId(by),
  },
});
export const undeployed = (deployment: number, number: number, data: Moved = {}): ModelEvent => ({
  type: 'deployment.undeployed',
  data: deploymentMoved(deployment, number, 'deployed', data),
});
export const trafficShifted = (
  deployment: number,
  number: number,
  from_percent: number,
  to_percent: number,
): ModelEvent => ({
  type: 'deployment.traffic_shifted',
  data: {
    ...deploymentRef(deployment, number),
    environment: 'eu-prod',
    region: null,
    from_percent,
    to_percent,
  },
});
export const deploymentTimedOut = (
  deployment: number,
  number: number,
  from: 'requested' | 'deploying',
): ModelEvent => ({
  type: 'deployment.failed',
  data: { ...deploymentMoved(deployment, number, from, {}), cause: 'timed_out' },
});
export const deploymentRolledBack = (
  deployment: number,
  number: number,
  to: { version: number; deployment: number } | null,
  data: Data<'deployment.rolled_back'> = {},
): ModelEvent => ({
  type: 'deployment.rolled_back',
  data: {
    ...deploymentMoved(deployment, number, 'deployed', {}),
    rollback_at: noon,
    to_version_id: to === null ? null : versionId(to.version),
    to_deployment_id: to === null ? null : deploymentId(to.deployment),
    ...data,
  },
});

const bindingRef = (binding: number, number: number) => ({
  binding_id: bindingId(binding),
  ...versionRef(number),
});
export const bound = (
  binding: number,
  number: number,
  data: Data<'binding.created'> = {},
): ModelEvent => ({
  type: 'binding.created',
  data: {
    ...bindingRef(binding, number),
    provider: 'openai',
    provider_model_id: 'gpt-4-0125-preview',
    status: 'inactive',
    config: {},
    endpoint_url: null,
    avg_latency_ms: null,
    success_rate: null,
    last_used_at: null,
    ...data,
  },
});
export const bindingUpdated = (
  binding: number,
  number: number,
  changed: ModelEventData<'binding.updated'>['changed'],
  previous: ModelEventData<'binding.updated'>['previous'],
): ModelEvent => ({
  type: 'binding.updated',
  data: { ...bindingRef(binding, number), provider: 'openai', changed, previous },
});
type BindingMove =
  | 'binding.activated'
  | 'binding.deactivated'
  | 'binding.deprecated'
  | 'binding.removed';
export const bindingMoved = (
  type: BindingMove,
  binding: number,
  number: number,
  data: Data<BindingMove> & Pick<ModelEventData<BindingMove>, 'from_status'>,
): ModelEvent => ({
  type,
  data: { ...bindingRef(binding, number), provider: 'openai', reason: null, ...data },
});
