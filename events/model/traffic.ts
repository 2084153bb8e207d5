// Traffic: how the deployments of one place share it, make room for another, and get back what one leaves.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { Deployment } from './deployment-row.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import type { Strategy } from './shapes.ts';
import type { ModelState } from './state.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type Place = { environment: string; region: string | null };

export const deploymentRef = (deployment: Deployment) => ({
  deployment_id: deployment.deployment_id,
  model_id: deployment.model_id,
  version_id: deployment.version_id,
  number: deployment.number,
  label: deployment.label,
});
export const place = ({ environment, region }: Place): Place => ({ environment, region });

/** Percent are kept with two decimals. */
const rounded = (percent: number): number => Math.round(percent * 100) / 100;

/** The deployments that serve traffic beside this one: same environment and region, deployed, not shadows. */
export function serving(
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
 * Scales the shares of the running deployments to `total` percent in all; where they have none, each gets as much as the
 * others. The last takes what rounding leaves, and none takes more than is left.
 */
function rescaled(running: readonly Deployment[], total: number): ModelEvent[] {
  const sharing = running.filter((deployment) => deployment.strategy !== 'shadow');
  const before = sharedBy(sharing);
  let left = rounded(total);
  const events: ModelEvent[] = [];
  sharing.forEach((deployment, index) => {
    const isLast = index === sharing.length - 1;
    const part = before === 0 ? 1 / sharing.length : deployment.traffic_percent / before;
    const share = isLast ? left : Math.min(rounded(part * total), left);
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

const superseding = (others: readonly Deployment[], by: string): ModelEvent[] =>
  others.map((other) => ({
    type: 'deployment.superseded',
    data: {
      ...deploymentRef(other),
      ...place(other),
      from_status: other.status,
      reason: null,
      superseded_by_deployment_id: by,
    },
  }));

/** What reaching `deployed` does to those already there: all are superseded, or they make room. */
export function arrival(state: ModelState, data: ModelEventData<'model.deployed'>): ModelEvent[] {
  const others = serving(state, data);
  if (data.strategy === 'shadow') return [];
  if (data.strategy === 'all_at_once' || data.traffic_percent === 100)
    return superseding(others, data.deployment_id);
  // who has left room for the new one gives nothing, and gets nothing
  return rescaled(others, Math.min(sharedBy(others), 100 - data.traffic_percent));
}

/** The share of a deployment that ends goes back pro rata to those that stay, in equal parts where they have nothing. */
export function departure(state: ModelState, leaving: Deployment): ModelEvent[] {
  if (leaving.status !== 'deployed' || leaving.strategy === 'shadow') return [];
  const staying = serving(state, leaving);
  return rescaled(staying, sharedBy(staying) + leaving.traffic_percent);
}

/** Nothing that is asked for is rounded: with finer parts the shares of a place would not come to the whole. */
const isShare = (percent: number): boolean =>
  percent >= 0 && percent <= 100 && rounded(percent) === percent;

/** Why this share does not fit the strategy, or the share. */
export function shareOf(
  strategy: Strategy,
  traffic_percent: number | null,
): number | { message: string } {
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
      return traffic_percent !== null && isShare(traffic_percent)
        ? traffic_percent
        : {
            message: `${strategy} needs a traffic_percent between 0 and 100, with two decimals at most`,
          };
  }
}

/** Gives a running deployment another share; the others make room, or take what it leaves, pro rata. */
export function shiftTraffic(
  state: ModelState,
  deployment: Deployment,
  command: Extract<ModelCommand, { type: 'ShiftTraffic' }>,
): Outcome {
  const { deployment_id, status, strategy } = deployment;
  if (status !== 'deployed') return { refusal: { code: 'not_deployed', deployment_id, status } };
  const to_percent = shareOf(strategy, command.traffic_percent);
  if (typeof to_percent !== 'number')
    return {
      refusal: {
        code: 'traffic_invalid',
        strategy,
        traffic_percent: command.traffic_percent,
        message: to_percent.message,
      },
    };
  const from_percent = deployment.traffic_percent;
  const others = serving(state, deployment);
  const shifted: ModelEvent[] =
    to_percent === from_percent
      ? []
      : [
          {
            type: 'deployment.traffic_shifted',
            data: {
              ...deploymentRef(deployment),
              ...place(deployment),
              from_percent,
              to_percent,
            },
          },
        ];
  // all of the traffic leaves nothing for the others, shadows among them
  if (to_percent === 100) return { events: [...superseding(others, deployment_id), ...shifted] };
  if (to_percent > from_percent)
    return {
      events: [...rescaled(others, Math.min(sharedBy(others), 100 - to_percent)), ...shifted],
    };
  // the share is left before it is given, so that no prefix has more than the whole
  return {
    events: [...shifted, ...rescaled(others, sharedBy(others) + from_percent - to_percent)],
  };
}
