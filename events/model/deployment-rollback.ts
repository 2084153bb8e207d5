// Rolling back what runs in a place: the version that ran there before takes over; its stage stays as it is.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { Deployment } from './deployment-row.ts';
import { illegalStatus } from './deployments.ts';
import type { ModelEvent } from './events.ts';
import { afterwards } from './state.ts';
import type { ModelState } from './state.ts';
import { departure, deploymentRef, place, serving } from './traffic.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type Place = { environment: string; region: string | null };

/** Whether it has the traffic, or will have all of it once it is done. */
const takesOver = ({ status, strategy, traffic_percent }: Deployment): boolean =>
  status === 'deployed'
    ? traffic_percent > 0
    : (status === 'requested' || status === 'deploying') && strategy === 'all_at_once';

/** The last to have reached `deployed` of those that `matches` picks. */
function lastDeployed(
  state: ModelState,
  matches: (deployment: Deployment) => boolean,
): Deployment | null {
  let last: Deployment | null = null;
  for (const deployment of state.deployments.values())
    if (
      deployment.deployed_at !== null &&
      matches(deployment) &&
      deployment.deployed_at >= (last?.deployed_at ?? '')
    )
      last = deployment;
  return last;
}

/** A version's last deployment in a place: in this region if it ever ran there, else in the environment. */
export function lastDeploymentThere(
  state: ModelState,
  versionId: string,
  { environment, region }: Place,
): Deployment | null {
  const ran = (deployment: Deployment): boolean =>
    deployment.version_id === versionId && deployment.environment === environment;
  return (
    lastDeployed(state, (deployment) => ran(deployment) && deployment.region === region) ??
    lastDeployed(state, ran)
  );
}

/** When each version was last rolled back in a place, by its id. */
function lastRolledBack(
  state: ModelState,
  { environment, region }: Place,
): ReadonlyMap<string, string> {
  const times = new Map<string, string>();
  for (const { version_id, rollback_at, ...other } of state.deployments.values())
    if (
      other.environment === environment &&
      other.region === region &&
      rollback_at !== null &&
      rollback_at > (times.get(version_id) ?? '')
    )
      times.set(version_id, rollback_at);
  return times;
}

/** What ran in the place before another version's deployment did, of a version that was not rolled back there since. */
function ranBefore(state: ModelState, leaving: Deployment): Deployment | null {
  const ids = [...state.deployments.keys()];
  const begun = ids.indexOf(leaving.deployment_id);
  const rolledBack = lastRolledBack(state, leaving);
  return lastDeployed(
    state,
    (other) =>
      other.environment === leaving.environment &&
      other.region === leaving.region &&
      other.version_id !== leaving.version_id &&
      other.status !== 'rolled_back' &&
      other.deployed_at! > (rolledBack.get(other.version_id) ?? '') &&
      (other.deployed_at! < leaving.deployed_at! ||
        (other.deployed_at === leaving.deployed_at && ids.indexOf(other.deployment_id) < begun)),
  );
}

/** Why a version must not come back, whoever asks; nothing is asked for that a promotion or a gate would ask. */
export function unsafeToReturn(
  version: Version,
  digestThen: Deployment['content_digest'],
): Extract<ModelRefusal, { code: 'rollback_unsafe' }>['because'] | null {
  if (version.readiness === 'rejected') return 'rejected';
  if (version.artifact === 'quarantined' || version.artifact === 'purged') return version.artifact;
  const digestNow = version.facts.content_digest;
  const isAnother =
    digestThen !== null &&
    ((digestThen.sha256 !== null && digestThen.sha256 !== (digestNow?.sha256 ?? null)) ||
      (digestThen.blake3 !== null && digestThen.blake3 !== (digestNow?.blake3 ?? null)));
  return isAnother ? 'digest_changed' : null;
}

/**
 * The events that take a deployment away and give its place to a version: to a deployment of it that is there already,
 * else to a new one, made as `before` was and sharing the traffic as the leaving one did. It is asked for in the region
 * that is left, as nobody else serves there; an address of another region is none of this one.
 */
export function rollingBack(
  state: ModelState,
  leaving: Deployment,
  to: Version,
  before: Deployment | null,
  { at, reason, new_id }: { at: string; reason: string | null; new_id: string },
): ModelEvent[] {
  const { version_id, number, label, model_id, content_digest } = to.facts;
  const staying = serving(state, leaving);
  const returned = departure(state, leaving);
  let there: Deployment | null = null;
  // who had no traffic may get some of what is left
  for (const deployment of afterwards(state, returned, at).deployments.values())
    if (
      deployment.version_id === version_id &&
      deployment.environment === leaving.environment &&
      deployment.region === leaving.region &&
      takesOver(deployment)
    )
      there = deployment;
  const sharing = staying.filter(({ strategy }) => strategy !== 'shadow');
  const strategy =
    leaving.strategy === 'all_at_once' && sharing.length > 0 ? 'ab' : leaving.strategy;
  const isWhole = leaving.strategy !== 'shadow' && sharing.length === 0;
  const events: ModelEvent[] = [
    {
      type: 'deployment.rolled_back',
      data: {
        ...deploymentRef(leaving),
        ...place(leaving),
        from_status: leaving.status,
        reason,
        rollback_at: at,
        to_version_id: version_id,
        to_deployment_id: there?.deployment_id ?? new_id,
      },
    },
    ...returned,
  ];
  if (there !== null) return events;
  events.push({
    type: 'deployment.requested',
    data: {
      deployment_id: new_id,
      model_id,
      version_id,
      number,
      label,
      ...place(leaving),
      endpoint_url: before?.region === leaving.region ? before.endpoint_url : null,
      strategy: isWhole ? 'all_at_once' : strategy,
      traffic_percent: isWhole ? 100 : leaving.traffic_percent,
      config: before?.config ?? {},
      content_digest,
      replaces_deployment_id: leaving.deployment_id,
      external_ref: null,
      requested_at: at,
    },
  });
  return events;
}

/** @param named the version that the caller asked for; null: the one that ran there before */
export function rollbackDeployment(
  state: ModelState,
  leaving: Deployment,
  named: Version | null,
  command: Extract<ModelCommand, { type: 'RollbackDeployment' }>,
): Outcome {
  const { environment, region, status } = leaving;
  if (status === 'rolled_back') return { events: [] };
  if (status !== 'deployed') return illegalStatus(status, 'rolled_back');
  const before =
    named === null
      ? ranBefore(state, leaving)
      : lastDeploymentThere(state, named.facts.version_id, leaving);
  const to = before === null ? undefined : state.versions.get(before.number);
  if (before === null || to === undefined || to.facts.version_id === leaving.version_id)
    return {
      refusal: {
        code: 'nothing_to_roll_back_to',
        environment,
        region,
        version: named === null ? null : (named.facts.label ?? String(named.facts.number)),
      },
    };
  const { stage, facts } = to;
  if (stage === 'archived' || to.deleted_at !== null)
    return {
      refusal: { code: 'version_retired', number: facts.number, stage, wanted: 'deployment' },
    };
  const because = unsafeToReturn(to, before.content_digest);
  if (because !== null)
    return { refusal: { code: 'rollback_unsafe', number: facts.number, because } };
  // where only production versions are deployed, one that was such may come back
  if (command.in_force.policy.protected_environments.includes(environment) && !to.was_in_production)
    return {
      refusal: { code: 'environment_protected', environment, number: facts.number, stage },
    };
  return { events: rollingBack(state, leaving, to, before, command) };
}
