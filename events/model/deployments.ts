// Deployments: what runs where, how each one goes, and who supersedes whom.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { Deployment } from './deployment-row.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import type { DeploymentStatus } from './shapes.ts';
import type { ModelState } from './state.ts';
import { arrival, departure, deploymentRef, place, shareOf } from './traffic.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type CommandOf<T extends ModelCommand['type']> = Extract<ModelCommand, { type: T }>;

const statusFrom: Record<DeploymentStatus, readonly DeploymentStatus[]> = {
  requested: ['deploying', 'deployed', 'failed'],
  deploying: ['deployed', 'failed'],
  deployed: ['superseded', 'rolled_back', 'undeployed'],
  failed: [],
  superseded: [],
  rolled_back: [],
  undeployed: [],
};

export const illegalStatus = (from: DeploymentStatus, to: DeploymentStatus): Outcome => ({
  refusal: {
    code: 'illegal_transition',
    axis: 'deployment',
    from,
    to,
    legal_transitions: statusFrom[from],
  },
});

function reaching(state: ModelState, data: ModelEventData<'model.deployed'>): ModelEvent[] {
  const displaced = arrival(state, data);
  const replaced = displaced.find((event) => event.type === 'deployment.superseded');
  return [
    ...displaced,
    {
      type: 'model.deployed',
      data: {
        ...data,
        replaces_deployment_id: replaced?.data.deployment_id ?? data.replaces_deployment_id,
      },
    },
  ];
}

export function deploy(state: ModelState, version: Version, command: CommandOf<'Deploy'>): Outcome {
  const model = state.model!;
  if (model.state === 'inactive')
    return { refusal: { code: 'model_inactive', state: model.state } };
  const { stage, facts } = version;
  // what is on its way out may be rolled out again where it is live, and nowhere else
  const isLiveThere = version.live.some(
    ({ environment, region }) => environment === command.environment && region === command.region,
  );
  if (stage === 'archived' || (stage === 'deprecated' && !isLiveThere))
    return {
      refusal: { code: 'version_retired', number: facts.number, stage, wanted: 'deployment' },
    };
  if (
    command.in_force.policy.protected_environments.includes(command.environment) &&
    stage !== 'production' &&
    !isLiveThere
  )
    return {
      refusal: {
        code: 'environment_protected',
        environment: command.environment,
        number: facts.number,
        stage,
      },
    };
  const share = shareOf(command.strategy, command.traffic_percent);
  if (typeof share !== 'number')
    return {
      refusal: {
        code: 'traffic_invalid',
        strategy: command.strategy,
        traffic_percent: command.traffic_percent,
        message: share.message,
      },
    };
  const placement = {
    deployment_id: command.deployment_id,
    model_id: model.model_id,
    version_id: facts.version_id,
    number: facts.number,
    label: facts.label,
    environment: command.environment,
    region: command.region,
    endpoint_url: command.endpoint_url,
    strategy: command.strategy,
    traffic_percent: share,
    config: command.config,
    content_digest: facts.content_digest,
    replaces_deployment_id: null,
    external_ref: command.external_ref,
  };
  if (command.status === 'requested')
    return {
      events: [{ type: 'deployment.requested', data: { ...placement, requested_at: command.at } }],
    };
  return { events: reaching(state, { ...placement, deployed_at: command.at }) };
}

/** Nobody reported how it went, so somebody should look. */
const timedOut = (deployment: Deployment): ModelEvent => ({
  type: 'alert.raised',
  data: {
    model_id: deployment.model_id,
    version_id: deployment.version_id,
    number: deployment.number,
    alert: `deployment_timed_out:${deployment.deployment_id}`,
    kind: 'deployment_timed_out',
    detail: {
      deployment_id: deployment.deployment_id,
      ...place(deployment),
      status: deployment.status,
      since: deployment.updated_at,
    },
  },
});

export function reportDeployment(
  state: ModelState,
  deployment: Deployment,
  command: CommandOf<'ReportDeployment'>,
): Outcome {
  const { status: from } = deployment;
  const { status: to, reason } = command;
  if (from === to) return { events: [] };
  if (!statusFrom[from].includes(to)) return illegalStatus(from, to);
  const moved = { ...deploymentRef(deployment), ...place(deployment), from_status: from, reason };
  switch (to) {
    case 'deploying':
      return { events: [{ type: 'deployment.started', data: moved }] };
    case 'failed':
      return {
        events: [
          { type: 'deployment.failed', data: { ...moved, cause: command.cause } },
          ...(command.cause === 'timed_out' ? [timedOut(deployment)] : []),
        ],
      };
    case 'deployed': {
      const { endpoint_url, strategy, traffic_percent, config, content_digest, external_ref } =
        deployment;
      return {
        events: reaching(state, {
          ...deploymentRef(deployment),
          ...place(deployment),
          endpoint_url: command.endpoint_url ?? endpoint_url,
          strategy,
          traffic_percent,
          config,
          content_digest,
          replaces_deployment_id: deployment.replaces_deployment_id,
          external_ref,
          deployed_at: command.at,
        }),
      };
    }
  }
}

export function undeploy(
  state: ModelState,
  deployment: Deployment,
  command: CommandOf<'Undeploy'>,
): Outcome {
  const { status: from } = deployment;
  if (from === 'undeployed') return { events: [] };
  if (!statusFrom[from].includes('undeployed')) return illegalStatus(from, 'undeployed');
  return {
    events: [
      {
        type: 'deployment.undeployed',
        data: {
          ...deploymentRef(deployment),
          ...place(deployment),
          from_status: from,
          reason: command.reason,
        },
      },
      ...departure(state, deployment),
    ],
  };
}
