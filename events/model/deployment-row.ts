// The row of a deployment.
import { assert } from '../decider.ts';
import type { Actor, RecordedEvent } from '../envelope.ts';
import type {
  ModelEvent,
  ModelEventData,
  ModelEventOf,
  ModelEventsNamed,
  RecordedModelEvent,
} from './events.ts';
import { existing } from './row.ts';
import type { NoRow } from './row.ts';
import type { DeploymentStatus, Strategy } from './shapes.ts';

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
  /** What took its place when it was rolled back. */
  rollback_to_version_id: string | null;
  rollback_to_deployment_id: string | null;
  reason: string | null;
  created_at: string;
  updated_at: string;
};

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
    rollback_to_version_id: null,
    rollback_to_deployment_id: null,
    reason: event.reason,
    created_at: event.recorded_at,
    updated_at: event.recorded_at,
  };
}

/** The events that touch a deployment. */
type DeploymentEventType = 'model.deployed' | ModelEventsNamed<'deployment'>;

const deploymentHandlers: {
  [T in DeploymentEventType]: (
    row: Deployment | NoRow,
    event: RecordedEvent<ModelEventOf<T>>,
  ) => Deployment;
} = {
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
  'deployment.rolled_back': (row, event) => {
    const deployment = ended(row, event, 'rolled_back', event.data.reason);
    deployment.rollback_at = event.data.rollback_at;
    deployment.rollback_to_version_id = event.data.to_version_id;
    deployment.rollback_to_deployment_id = event.data.to_deployment_id;
    return deployment;
  },
  'deployment.undeployed': (row, event) => ended(row, event, 'undeployed', event.data.reason),
  'deployment.traffic_shifted': (row, event) => ({
    ...altered(row, event),
    traffic_percent: event.data.to_percent,
  }),
};

const isDeploymentEvent = (event: ModelEvent): event is ModelEventOf<DeploymentEventType> =>
  Object.hasOwn(deploymentHandlers, event.type);

/** The id of the deployment whose row the event changes, or null. */
export const touchedDeployment = (event: ModelEvent): string | null =>
  isDeploymentEvent(event) ? event.data.deployment_id : null;

/** The next row of the deployment that `touchedDeployment` names. */
export const evolveDeployment = (row: Deployment | NoRow, event: RecordedModelEvent): Deployment =>
  deploymentHandlers[event.type as DeploymentEventType](row, event as never);
