// What runs where, and how the deployments of one place share its traffic, as `domain.md` has it.
import type { CommandOf, Code, Deployment, Registry, Version } from './registry.ts';
import { live, versionAt } from './registry.ts';

type Place = Pick<Deployment, 'environment' | 'region'>;

/** Which status may follow which. */
const next: Record<Deployment['status'], readonly Deployment['status'][]> = {
  requested: ['deploying', 'deployed', 'failed'],
  deploying: ['deployed', 'failed'],
  deployed: ['superseded', 'rolled_back', 'undeployed'],
  failed: [],
  superseded: [],
  rolled_back: [],
  undeployed: [],
};

const isThere = (one: Place, { environment, region }: Place): boolean =>
  one.environment === environment && one.region === region;

/** The others that take traffic in the same place; a shadow takes none. */
const besides = (registry: Registry, deployment: Deployment): Deployment[] =>
  [...registry.deployments.values()].filter(
    (other) =>
      other.id !== deployment.id && other.status === 'deployed' && isThere(other, deployment),
  );
const sharing = (registry: Registry, deployment: Deployment): Deployment[] =>
  besides(registry, deployment).filter(({ strategy }) => strategy !== 'shadow');

/** The others have so much together from now on, each as much of it as before; equal parts, where they had nothing. */
function shareOut(others: readonly Deployment[], total: number): void {
  const before = others.reduce((sum, { traffic }) => sum + traffic, 0);
  for (const other of others)
    other.traffic = total * (before === 0 ? 1 / others.length : other.traffic / before);
}
const sumOf = (others: readonly Deployment[]): number =>
  others.reduce((sum, { traffic }) => sum + traffic, 0);

function end(deployment: Deployment, status: Deployment['status']): void {
  deployment.status = status;
  deployment.traffic = 0;
}

function supersedeOthers(registry: Registry, deployment: Deployment): void {
  for (const other of besides(registry, deployment)) end(other, 'superseded');
}

/** Its share goes back pro rata to those that stay. */
function leave(registry: Registry, deployment: Deployment, status: Deployment['status']): void {
  const others = sharing(registry, deployment);
  if (deployment.status === 'deployed' && deployment.strategy !== 'shadow')
    shareOut(others, sumOf(others) + deployment.traffic);
  end(deployment, status);
}

function reach(registry: Registry, deployment: Deployment, at: string): void {
  if (deployment.strategy !== 'shadow') {
    const others = sharing(registry, deployment);
    if (deployment.strategy === 'all_at_once' || deployment.traffic === 100)
      supersedeOthers(registry, deployment);
    else shareOut(others, Math.min(sumOf(others), 100 - deployment.traffic));
  }
  deployment.status = 'deployed';
  deployment.deployedAt = at;
  // what somebody should have looked at is over once something runs there
  for (const other of registry.deployments.values())
    if (isThere(other, deployment)) registry.alerts.delete(`deployment_timed_out:${other.id}`);
}

/** The share of a strategy, or undefined where it does not fit. */
function shareOf(strategy: Deployment['strategy'], percent: number | null): number | undefined {
  if (strategy === 'all_at_once') return percent === null || percent === 100 ? 100 : undefined;
  if (strategy === 'shadow') return percent === null || percent === 0 ? 0 : undefined;
  return percent ?? undefined;
}

export function deploy(
  registry: Registry,
  version: Version,
  command: CommandOf<'Deploy'>,
): Code | null {
  const { environment, region, strategy } = command;
  if (registry.state === 'inactive') return 'model_inactive';
  const isLiveThere = live(registry, version.number).some((one) =>
    isThere(one, { environment, region }),
  );
  if (version.stage === 'archived') return 'version_retired';
  if (version.stage === 'deprecated' && !isLiveThere) return 'version_retired';
  const isProtected = command.in_force.policy.protected_environments.includes(environment);
  if (isProtected && version.stage !== 'production' && !isLiveThere) return 'environment_protected';
  const traffic = shareOf(strategy, command.traffic_percent);
  if (traffic === undefined) return 'traffic_invalid';
  const deployment: Deployment = {
    id: command.deployment_id,
    number: version.number,
    environment,
    region,
    strategy,
    status: 'requested',
    traffic,
    deployedAt: null,
    rolledBackAt: null,
  };
  registry.deployments.set(deployment.id, deployment);
  if (command.status === 'deployed') reach(registry, deployment, command.at);
  return null;
}

export function report(
  registry: Registry,
  deployment: Deployment,
  { status, at, cause }: CommandOf<'ReportDeployment'>,
): Code | null {
  if (deployment.status === status) return null;
  if (!next[deployment.status].includes(status)) return 'illegal_transition';
  if (status === 'deployed') reach(registry, deployment, at);
  else if (status === 'failed') {
    end(deployment, 'failed');
    if (cause === 'timed_out') registry.alerts.add(`deployment_timed_out:${deployment.id}`);
  } else deployment.status = status;
  return null;
}

export function undeploy(registry: Registry, deployment: Deployment): Code | null {
  if (deployment.status === 'undeployed') return null;
  if (deployment.status !== 'deployed') return 'illegal_transition';
  leave(registry, deployment, 'undeployed');
  return null;
}

export function shift(
  registry: Registry,
  deployment: Deployment,
  { traffic_percent }: CommandOf<'ShiftTraffic'>,
): Code | null {
  if (deployment.status !== 'deployed') return 'not_deployed';
  const share = shareOf(deployment.strategy, traffic_percent);
  if (share === undefined) return 'traffic_invalid';
  const others = sharing(registry, deployment);
  const freed = deployment.traffic - share;
  if (share === 100) supersedeOthers(registry, deployment);
  else if (freed < 0) shareOut(others, Math.min(sumOf(others), 100 - share));
  else shareOut(others, sumOf(others) + freed);
  deployment.traffic = share;
  return null;
}

/** The last to have been deployed of those; the later begun of two at once. */
const lastOf = (deployments: readonly Deployment[]): Deployment | undefined =>
  deployments.reduce<Deployment | undefined>(
    (last, one) =>
      one.deployedAt !== null && (last === undefined || one.deployedAt >= last.deployedAt!)
        ? one
        : last,
    undefined,
  );

/** A version's last deployment in a place; in another region of the environment, if it never ran in this one. */
function lastThere(registry: Registry, number: number, place: Place): Deployment | undefined {
  const all = [...registry.deployments.values()].filter(
    (one) => one.number === number && one.environment === place.environment,
  );
  return lastOf(all.filter(({ region }) => region === place.region)) ?? lastOf(all);
}

/** Takes a deployment away and gives its place to another version. */
export function rollBackPlace(
  registry: Registry,
  leaving: Deployment,
  to: Version,
  newId: string,
  at: string,
): void {
  const stay = sharing(registry, leaving);
  const { traffic, strategy } = leaving;
  leave(registry, leaving, 'rolled_back');
  leaving.rolledBackAt = at;
  const takesOver = live(registry, to.number).some(
    (one) =>
      isThere(one, leaving) &&
      (one.status === 'deployed' ? one.traffic > 0 : one.strategy === 'all_at_once'),
  );
  if (takesOver) return;
  const isWhole = strategy !== 'shadow' && stay.length === 0;
  const shared = strategy === 'all_at_once' && stay.length > 0 ? 'ab' : strategy;
  registry.deployments.set(newId, {
    id: newId,
    number: to.number,
    environment: leaving.environment,
    region: leaving.region,
    strategy: isWhole ? 'all_at_once' : shared,
    status: 'requested',
    traffic: isWhole ? 100 : traffic,
    deployedAt: null,
    rolledBackAt: null,
  });
}

export function rollBackDeployment(
  registry: Registry,
  leaving: Deployment,
  to: Version | null,
  { in_force, new_id, at }: CommandOf<'RollbackDeployment'>,
): Code | null {
  if (leaving.status === 'rolled_back') return null;
  if (leaving.status !== 'deployed') return 'illegal_transition';
  const begun = [...registry.deployments.values()];
  const isGivenUp = ({ number, deployedAt }: Deployment): boolean =>
    begun.some(
      (other) =>
        isThere(other, leaving) &&
        other.number === number &&
        other.rolledBackAt !== null &&
        other.rolledBackAt >= deployedAt!,
    );
  const ranBefore = lastOf(
    begun.filter(
      (other, index) =>
        isThere(other, leaving) &&
        other.number !== leaving.number &&
        other.deployedAt !== null &&
        !isGivenUp(other) &&
        (other.deployedAt < leaving.deployedAt! ||
          (other.deployedAt === leaving.deployedAt && index < begun.indexOf(leaving))),
    ),
  );
  const before = to === null ? ranBefore : lastThere(registry, to.number, leaving);
  if (before === undefined || before.number === leaving.number) return 'nothing_to_roll_back_to';
  const back = versionAt(registry, before.number);
  if (back.stage === 'archived' || back.deleted) return 'version_retired';
  if (back.readiness === 'rejected') return 'rollback_unsafe';
  const { protected_environments } = in_force.policy;
  if (protected_environments.includes(leaving.environment) && !back.wasInProduction)
    return 'environment_protected';
  rollBackPlace(registry, leaving, back, new_id, at);
  return null;
}
