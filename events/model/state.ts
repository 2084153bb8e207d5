// What is true of a model: three kinds of rows, each folded by a table that knows every event type.
// The decision folds a whole stream; the projector folds only the rows that an event touches. Both use these tables.
import { assert } from '../decider.ts';
import type { Actor, RecordedEvent } from '../envelope.ts';
import type {
  DeploymentStatus,
  ModelEvent,
  ModelEventData,
  ModelEventHandlers,
  Readiness,
  RecordedModelEvent,
  Stage,
  Strategy,
} from './events.ts';

/** The model itself, with what must be known of all its versions at once. Times are RFC 3339. */
export type Model = ModelEventData<'model.registered'> & {
  tenant: string;
  state: 'active' | 'inactive' | 'deleted';
  default_number: number | null;
  default_version_id: string | null;
  default_set_by: 'registry' | 'caller' | null;
  /** The highest number ever given. */
  last_number: number;
  versions_by_stage: Record<Stage, number>;
  /** Numbers of the versions in production, the most recently promoted last. */
  production: readonly number[];
  created_at: string;
  created_by: Actor;
  updated_at: string;
  stream_version: number;
  position: number;
};

/** A deployment that holds its version in use. */
type LiveDeployment = {
  deployment_id: string;
  environment: string;
  region: string | null;
  status: DeploymentStatus;
  config: ModelEventData<'model.deployed'>['config'];
};

/** One version: the facts it was made with, and where it stands on each axis. */
export type Version = {
  facts: ModelEventData<'model.versioned'>;
  tenant: string;
  stage: Stage;
  readiness: Readiness;
  activation: 'inactive' | 'active';
  artifact: 'none';
  is_default: boolean;
  live: readonly LiveDeployment[];
  created_at: string;
  created_by: Actor;
  updated_at: string;
  stage_changed_at: string;
  /** When the last use ended: it left production, a deployment ended, it ceased to be the default. */
  last_used_at: string | null;
  promoted_at: string | null;
  was_in_production: boolean;
  deprecated_at: string | null;
  sunset_at: string | null;
  archived_at: string | null;
  archive_uri: string | null;
  archive_cause: ModelEventData<'model.archived'>['cause'] | null;
};

export type Deployment = {
  deployment_id: string;
  tenant: string;
  model_id: string;
  version_id: string;
  number: number;
  label: string | null;
  environment: string;
  region: string | null;
  endpoint_url: string | null;
  strategy: Strategy;
  traffic_percent: number;
  config: ModelEventData<'model.deployed'>['config'];
  content_digest: ModelEventData<'model.deployed'>['content_digest'];
  replaces_deployment_id: string | null;
  external_ref: string | null;
  status: DeploymentStatus;
  requested_at: string;
  deployed_at: string | null;
  deployed_by: Actor;
  ended_at: string | null;
  rollback_at: string | null;
  reason: string | null;
  created_at: string;
  updated_at: string;
};

/** A whole model stream, folded. The maps are changed in place; the rows in them are replaced. */
export type ModelState = {
  stream_version: number;
  model: Model | null;
  versions: Map<number, Version>;
  deployments: Map<string, Deployment>;
  numberByVersionId: Map<string, number>;
  numberByLabel: Map<string, number>;
  numberBySha256: Map<string, number>;
};

export const initialModelState = (): ModelState => ({
  stream_version: 0,
  model: null,
  versions: new Map(),
  deployments: new Map(),
  numberByVersionId: new Map(),
  numberByLabel: new Map(),
  numberBySha256: new Map(),
});

export const forkModelState = (state: ModelState): ModelState => ({
  stream_version: state.stream_version,
  model: state.model,
  versions: new Map(state.versions),
  deployments: new Map(state.deployments),
  numberByVersionId: new Map(state.numberByVersionId),
  numberByLabel: new Map(state.numberByLabel),
  numberBySha256: new Map(state.numberBySha256),
});

type NoRow = undefined;

function existing<Row>(row: Row | NoRow, event: RecordedEvent): Row {
  assert(
    row !== undefined,
    `${event.type} at ${event.stream} ${event.stream_version} touches a row that does not exist`,
  );
  return row;
}

// ---- the model row -------------------------------------------------------------------------------------------------

const noVersions = (): Record<Stage, number> => ({
  development: 0,
  staging: 0,
  production: 0,
  deprecated: 0,
  archived: 0,
});

const seen = (row: Model | NoRow, event: RecordedEvent): Model => ({
  ...existing(row, event),
  updated_at: event.recorded_at,
  stream_version: event.stream_version,
  position: event.position,
});

function moved(
  row: Model | NoRow,
  event: RecordedEvent,
  number: number,
  from: Stage,
  to: Stage,
): Model {
  const model = seen(row, event);
  const byStage = { ...model.versions_by_stage };
  byStage[from] -= 1;
  byStage[to] += 1;
  model.versions_by_stage = byStage;
  if (from === 'production')
    model.production = model.production.filter((other) => other !== number);
  if (to === 'production') model.production = [...model.production, number];
  return model;
}

const modelHandlers: ModelEventHandlers<Model | NoRow, Model> = {
  'model.registered': (row, event) => {
    assert(row === undefined, `${event.stream} is registered twice`);
    return {
      ...event.data,
      tenant: event.tenant,
      state: 'active',
      default_number: null,
      default_version_id: null,
      default_set_by: null,
      last_number: 0,
      versions_by_stage: noVersions(),
      production: [],
      created_at: event.recorded_at,
      created_by: event.actor,
      updated_at: event.recorded_at,
      stream_version: event.stream_version,
      position: event.position,
    };
  },
  'model.updated': (row, event) => Object.assign(seen(row, event), event.data.changed),
  'model.versioned': (row, event) => {
    const model = seen(row, event);
    model.last_number = event.data.number;
    model.versions_by_stage = {
      ...model.versions_by_stage,
      [event.data.stage]: model.versions_by_stage[event.data.stage] + 1,
    };
    return model;
  },
  'model.promoted': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, event.data.to_stage),
  'model.deployed': seen,
  'model.archived': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, 'archived'),
  'version.demoted': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, event.data.to_stage),
  'version.superseded': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, event.data.to_stage),
  'version.deprecated': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, 'deprecated'),
  'version.restored': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, event.data.to_stage),
  'version.testing_started': seen,
  'version.approved': seen,
  'version.rejected': seen,
  'default.changed': (row, event) => {
    const model = seen(row, event);
    model.default_number = event.data.number;
    model.default_version_id = event.data.version_id;
    model.default_set_by = event.data.number === null ? null : event.data.set_by;
    return model;
  },
  'deployment.requested': seen,
  'deployment.started': seen,
  'deployment.failed': seen,
  'deployment.superseded': seen,
  'deployment.undeployed': seen,
  'deployment.traffic_shifted': seen,
};

// ---- a version row -------------------------------------------------------------------------------------------------

const changed = (row: Version | NoRow, event: RecordedEvent): Version => ({
  ...existing(row, event),
  updated_at: event.recorded_at,
});

function staged(row: Version | NoRow, event: RecordedEvent, to: Stage): Version {
  const version = changed(row, event);
  if (version.stage === 'production') version.last_used_at = event.recorded_at;
  version.stage = to;
  version.stage_changed_at = event.recorded_at;
  if (to !== 'archived') {
    version.archived_at = null;
    version.archive_uri = null;
    version.archive_cause = null;
  }
  if (to !== 'deprecated' && to !== 'archived') {
    version.deprecated_at = null;
    version.sunset_at = null;
  }
  return version;
}

function ready(row: Version | NoRow, event: RecordedEvent, to: Readiness): Version {
  const version = changed(row, event);
  version.readiness = to;
  return version;
}

function deploymentLives(
  row: Version | NoRow,
  event: RecordedEvent,
  live: LiveDeployment,
): Version {
  const version = changed(row, event);
  version.live = [
    ...version.live.filter((other) => other.deployment_id !== live.deployment_id),
    live,
  ];
  return version;
}

function deploymentEnds(row: Version | NoRow, event: RecordedEvent, deploymentId: string): Version {
  const version = changed(row, event);
  version.live = version.live.filter((other) => other.deployment_id !== deploymentId);
  version.last_used_at = event.recorded_at;
  return version;
}

const untouched = (row: Version | NoRow, event: RecordedEvent): Version => existing(row, event);

const versionHandlers: ModelEventHandlers<Version | NoRow, Version> = {
  'model.registered': untouched,
  'model.updated': untouched,
  'model.versioned': (row, event) => {
    assert(row === undefined, `${event.stream} has version ${event.data.number} twice`);
    return {
      facts: event.data,
      tenant: event.tenant,
      stage: event.data.stage,
      readiness: event.data.readiness,
      activation: 'inactive',
      artifact: 'none',
      is_default: false,
      live: [],
      created_at: event.recorded_at,
      created_by: event.actor,
      updated_at: event.recorded_at,
      stage_changed_at: event.recorded_at,
      last_used_at: null,
      promoted_at: null,
      was_in_production: false,
      deprecated_at: null,
      sunset_at: null,
      archived_at: null,
      archive_uri: null,
      archive_cause: null,
    };
  },
  'model.promoted': (row, event) => {
    const version = staged(row, event, event.data.to_stage);
    version.promoted_at = event.recorded_at;
    if (event.data.to_stage === 'production') version.was_in_production = true;
    return version;
  },
  'model.deployed': (row, event) =>
    deploymentLives(row, event, {
      deployment_id: event.data.deployment_id,
      environment: event.data.environment,
      region: event.data.region,
      status: 'deployed',
      config: event.data.config,
    }),
  'model.archived': (row, event) => {
    const version = staged(row, event, 'archived');
    version.archived_at = event.recorded_at;
    version.archive_uri = event.data.archive_uri;
    version.archive_cause = event.data.cause;
    return version;
  },
  'version.demoted': (row, event) => staged(row, event, event.data.to_stage),
  'version.superseded': (row, event) => {
    const version = staged(row, event, event.data.to_stage);
    if (event.data.to_stage === 'deprecated') version.deprecated_at = event.recorded_at;
    return version;
  },
  'version.deprecated': (row, event) => {
    const version = staged(row, event, 'deprecated');
    version.deprecated_at = event.recorded_at;
    version.sunset_at = event.data.sunset_at;
    return version;
  },
  'version.restored': (row, event) => {
    const version = staged(row, event, event.data.to_stage);
    // whoever brings a version back wants it; retention counts its age anew
    version.last_used_at = event.recorded_at;
    return version;
  },
  'version.testing_started': (row, event) => ready(row, event, event.data.to_readiness),
  'version.approved': (row, event) => ready(row, event, event.data.to_readiness),
  'version.rejected': (row, event) => ready(row, event, event.data.to_readiness),
  'default.changed': (row, event) => {
    const version = changed(row, event);
    version.is_default = version.facts.number === event.data.number;
    if (!version.is_default) version.last_used_at = event.recorded_at;
    return version;
  },
  'deployment.requested': (row, event) =>
    deploymentLives(row, event, {
      deployment_id: event.data.deployment_id,
      environment: event.data.environment,
      region: event.data.region,
      status: 'requested',
      config: event.data.config,
    }),
  'deployment.started': (row, event) => {
    const version = changed(row, event);
    version.live = version.live.map((live) =>
      live.deployment_id === event.data.deployment_id
        ? { ...live, status: 'deploying' as const }
        : live,
    );
    return version;
  },
  'deployment.failed': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'deployment.superseded': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'deployment.undeployed': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'deployment.traffic_shifted': changed,
};

// ---- a deployment row ----------------------------------------------------------------------------------------------

const altered = (row: Deployment | NoRow, event: RecordedEvent): Deployment => ({
  ...existing(row, event),
  updated_at: event.recorded_at,
});

function ended(
  row: Deployment | NoRow,
  event: RecordedEvent,
  status: DeploymentStatus,
  reason: string | null,
): Deployment {
  const deployment = altered(row, event);
  deployment.status = status;
  deployment.traffic_percent = 0;
  deployment.ended_at = event.recorded_at;
  deployment.reason = reason;
  return deployment;
}

function placed(
  event: RecordedEvent,
  data: ModelEventData<'deployment.requested'> | ModelEventData<'model.deployed'>,
  requestedAt: string,
): Omit<Deployment, 'status' | 'deployed_at'> {
  return {
    deployment_id: data.deployment_id,
    tenant: event.tenant,
    model_id: data.model_id,
    version_id: data.version_id,
    number: data.number,
    label: data.label,
    environment: data.environment,
    region: data.region,
    endpoint_url: data.endpoint_url,
    strategy: data.strategy,
    traffic_percent: data.traffic_percent,
    config: data.config,
    content_digest: data.content_digest,
    replaces_deployment_id: data.replaces_deployment_id,
    external_ref: data.external_ref,
    requested_at: requestedAt,
    deployed_by: event.actor,
    ended_at: null,
    rollback_at: null,
    reason: event.reason,
    created_at: event.recorded_at,
    updated_at: event.recorded_at,
  };
}

const unaltered = (row: Deployment | NoRow, event: RecordedEvent): Deployment =>
  existing(row, event);

const deploymentHandlers: ModelEventHandlers<Deployment | NoRow, Deployment> = {
  'model.registered': unaltered,
  'model.updated': unaltered,
  'model.versioned': unaltered,
  'model.promoted': unaltered,
  'model.archived': unaltered,
  'version.demoted': unaltered,
  'version.superseded': unaltered,
  'version.deprecated': unaltered,
  'version.restored': unaltered,
  'version.testing_started': unaltered,
  'version.approved': unaltered,
  'version.rejected': unaltered,
  'default.changed': unaltered,
  'deployment.requested': (row, event) => {
    assert(row === undefined, `deployment ${event.data.deployment_id} is requested twice`);
    return {
      ...placed(event, event.data, event.data.requested_at),
      status: 'requested',
      deployed_at: null,
    };
  },
  'model.deployed': (row, event) => {
    const placement = placed(event, event.data, row?.requested_at ?? event.data.deployed_at);
    return {
      ...placement,
      created_at: row?.created_at ?? placement.created_at,
      status: 'deployed',
      deployed_at: event.data.deployed_at,
    };
  },
  'deployment.started': (row, event) => ({ ...altered(row, event), status: 'deploying' }),
  'deployment.failed': (row, event) => ended(row, event, 'failed', event.data.reason),
  'deployment.superseded': (row, event) => ended(row, event, 'superseded', event.data.reason),
  'deployment.undeployed': (row, event) => ended(row, event, 'undeployed', event.data.reason),
  'deployment.traffic_shifted': (row, event) => ({
    ...altered(row, event),
    traffic_percent: event.data.to_percent,
  }),
};

// ---- which rows an event touches, and the fold ---------------------------------------------------------------------

/** The next model row. Throws `AssertionFailed` if the history is broken. */
export const evolveModel = (row: Model | undefined, event: RecordedModelEvent): Model =>
  modelHandlers[event.type](row, event as never);

/** The next row of a version that `touchedVersions` names. */
export const evolveVersion = (row: Version | undefined, event: RecordedModelEvent): Version =>
  versionHandlers[event.type](row, event as never);

/** The next row of the deployment that `touchedDeployment` names. */
export const evolveDeployment = (
  row: Deployment | undefined,
  event: RecordedModelEvent,
): Deployment => deploymentHandlers[event.type](row, event as never);

/** Numbers of the versions whose rows the event changes. */
export function touchedVersions(event: ModelEvent): readonly number[] {
  switch (event.type) {
    case 'model.registered':
    case 'model.updated':
      return [];
    case 'default.changed': {
      const { number, previous_number } = event.data;
      const touched: number[] = [];
      if (previous_number !== null) touched.push(previous_number);
      if (number !== null && number !== previous_number) touched.push(number);
      return touched;
    }
    case 'model.versioned':
    case 'model.promoted':
    case 'model.deployed':
    case 'model.archived':
    case 'version.demoted':
    case 'version.superseded':
    case 'version.deprecated':
    case 'version.restored':
    case 'version.testing_started':
    case 'version.approved':
    case 'version.rejected':
    case 'deployment.requested':
    case 'deployment.started':
    case 'deployment.failed':
    case 'deployment.superseded':
    case 'deployment.undeployed':
    case 'deployment.traffic_shifted':
      return [event.data.number];
  }
}

/** The id of the deployment whose row the event changes, or null. */
export function touchedDeployment(event: ModelEvent): string | null {
  switch (event.type) {
    case 'model.deployed':
    case 'deployment.requested':
    case 'deployment.started':
    case 'deployment.failed':
    case 'deployment.superseded':
    case 'deployment.undeployed':
    case 'deployment.traffic_shifted':
      return event.data.deployment_id;
    case 'model.registered':
    case 'model.updated':
    case 'model.versioned':
    case 'model.promoted':
    case 'model.archived':
    case 'version.demoted':
    case 'version.superseded':
    case 'version.deprecated':
    case 'version.restored':
    case 'version.testing_started':
    case 'version.approved':
    case 'version.rejected':
    case 'default.changed':
      return null;
  }
}

/** Folds one recorded event into the state, in place; its version must be the next. */
export function evolveModelState(state: ModelState, event: RecordedModelEvent): ModelState {
  assert(
    event.stream_version === state.stream_version + 1,
    `${event.stream} is at ${state.stream_version}, the event is ${event.stream_version}`,
  );
  state.model = evolveModel(state.model ?? undefined, event);
  for (const number of touchedVersions(event))
    state.versions.set(number, evolveVersion(state.versions.get(number), event));
  const deploymentId = touchedDeployment(event);
  if (deploymentId !== null)
    state.deployments.set(
      deploymentId,
      evolveDeployment(state.deployments.get(deploymentId), event),
    );
  if (event.type === 'model.versioned') {
    const { number, version_id, label, content_digest } = event.data;
    state.numberByVersionId.set(version_id, number);
    if (label !== null) state.numberByLabel.set(label, number);
    if (content_digest?.sha256) state.numberBySha256.set(content_digest.sha256, number);
  }
  state.stream_version = event.stream_version;
  return state;
}
