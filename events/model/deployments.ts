// Deployments: what runs where, who supersedes whom, and how traffic is shared.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import type { DeploymentStatus } from './shapes.ts';
import type { Deployment } from './deployment-row.ts';
import type { ModelState } from './state.ts';
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

const illegalStatus = (from: DeploymentStatus, to: DeploymentStatus): Outcome => ({
  refusal: {
    code: 'illegal_transition',
    axis: 'deployment',
    from,
    to,
    legal_transitions: statusFrom[from],
  },
});

const deploymentRef = (deployment: Deployment) => ({
  deployment_id: deployment.deployment_id,
  model_id: deployment.model_id,
  version_id: deployment.version_id,
  number: deployment.number,
  label: deployment.label,
});
const place = ({ environment, region }: Deployment) => ({ environment, region });

/** Percent are kept with two decimals. */
const rounded = (percent: number): number => Math.round(percent * 100) / 100;

/** The deployments that serve traffic beside this one: same environment and region, deployed, not shadows. */
function serving(
  state: ModelState,
  at: { deployment_id: string; environment: string; region: string | null },
): Deployment[] {
  const others: Deployment[] = [];
  for (const other of state.deployments.values())
    if (
      other.status === 'deployed' &&
      other.environment === at.environment &&
      other.region === at.region &&
      other.deployment_id !== at.deployment_id
    )
      others.push(other);
  return others;
}

/** What these take together, in percent; a shadow takes nothing. */
const sharedBy = (deployments: readonly Deployment[]): number =>
  deployments.reduce((sum, deployment) => sum + deployment.traffic_percent, 0);

/**
 * Scales the shares of the running deployments to `total` percent in all. The last takes what rounding leaves, and none
 * takes more than is left.
 */
function rescaled(running: readonly Deployment[], total: number): ModelEvent[] {
  const sharing = running.filter((deployment) => deployment.strategy !== 'shadow');
  const before = sharedBy(sharing);
  if (before === 0) return [];
  let left = rounded(total);
  const events: ModelEvent[] = [];
  sharing.forEach((deployment, index) => {
    const isLast = index === sharing.length - 1;
    const fair = isLast ? left : rounded((deployment.traffic_percent / before) * total);
    const share = Math.min(fair, left);
    left = rounded(left - share);
    if (share !== deployment.traffic_percent)
      events.push({
        type: 'deployment.traffic_shifted',
        data: {
          ...deploymentRef(deployment),
          ...place(deployment),
          from_percent: deployment.traffic_percent,
          to_percent: share,
        },
      });
  });
  return events;
}

/** What reaching `deployed` does to those already there: all are superseded, or they make room. */
function arrival(state: ModelState, data: ModelEventData<'model.deployed'>): ModelEvent[] {
  const others = serving(state, data);
  if (data.strategy === 'shadow') return [];
  if (data.strategy === 'all_at_once' || data.traffic_percent === 100)
    return others.map((other) => ({
      type: 'deployment.superseded',
      data: {
        ...deploymentRef(other),
        ...place(other),
        from_status: other.status,
        reason: null,
        superseded_by_deployment_id: data.deployment_id,
      },
    }));
  // who has left room for the new one gives nothing, and gets nothing
  return rescaled(others, Math.min(sharedBy(others), 100 - data.traffic_percent));
}

/** The share of a deployment that ends goes back pro rata to those that stay. */
function departure(state: ModelState, leaving: Deployment): ModelEvent[] {
  if (leaving.status !== 'deployed' || leaving.strategy === 'shadow') return [];
  const staying = serving(state, leaving);
  return rescaled(staying, sharedBy(staying) + leaving.traffic_percent);
}

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

/** Why this share does not fit the strategy, or the share. */
function shareOf(command: CommandOf<'Deploy'>): number | { message: string } {
  const { strategy, traffic_percent } = command;
  switch (strategy) {
    case 'all_at_once':
      return traffic_percent === null || traffic_percent === 100
        ? 100
        : { message: 'all_at_once takes 100 percent' };
    case 'shadow':
      return traffic_percent === null || traffic_percent === 0
        ? 0
        : { message: 'a shadow takes 0 percent' };
    case 'canary':
    case 'ab':
      return traffic_percent !== null && traffic_percent >= 0 && traffic_percent <= 100
        ? traffic_percent
        : { message: `${strategy} needs a traffic_percent between 0 and 100` };
  }
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
  const share = shareOf(command);
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
      return { events: [{ type: 'deployment.failed', data: { ...moved, cause: 'reported' } }] };
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
          replaces_deployment_id: null,
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
