// What a registry on paper does with a command: all of it, or nothing and why.
import { nthId } from '#events/names.ts';
import type { ModelCommand } from '#events/model/commands.ts';
import { deploy, report, rollBackDeployment, shift, undeploy } from './places.ts';
import { handOver, living, named, stale, usesOf, versionAt } from './registry.ts';
import type { Binding, Code, CommandOf, Registry, Version } from './registry.ts';
import * as releases from './releases.ts';

/** A reporter's clock may be so far ahead. */
const clockSkewMs = 5 * 60_000;

/** @returns why it is refused, null where it is not; only then something may have changed */
export function ask(registry: Registry, command: ModelCommand): Code | null {
  const after = structuredClone(registry);
  const refused = asked(after, command);
  if (refused === null) Object.assign(registry, after);
  return refused;
}

function asked(registry: Registry, command: ModelCommand): Code | null {
  const { type } = command;
  if (type === 'RegisterModel') {
    if (registry.state !== 'none') return 'name_taken';
    registry.state = 'active';
    registry.name = command.name;
    const { first_version } = command;
    return first_version === null ? null : releases.register(registry, first_version, command);
  }
  if (registry.state === 'none') return 'model_not_found';
  if (registry.state === 'deleted' && type !== 'RestoreModel')
    return type === 'DeleteModel' || type === 'SettlePromotion' ? null : 'model_not_found';
  switch (type) {
    case 'UpdateModel':
      return updateModel(registry, command);
    case 'DeleteModel': {
      const holding = ['production', 'deployment', 'binding', 'hold'];
      const isHeld = living(registry).some((version) =>
        usesOf(registry, version, command.at).some((use) => holding.includes(use)),
      );
      if (isHeld) return 'in_use';
      registry.state = 'deleted';
      return null;
    }
    case 'RestoreModel':
      if (registry.state !== 'deleted')
        return [null, registry.name].includes(command.name) ? null : 'immutable';
      registry.state = 'active';
      registry.name = command.name ?? registry.name;
      return null;
    case 'CreateVersion':
      return releases.register(registry, command.version, command);
    case 'RemoveAlias':
      return registry.aliases.delete(command.alias) ? null : 'alias_not_found';
    case 'ApplyRetention':
      releases.applyRetention(registry, command);
      return null;
    case 'ReleaseHold': {
      const isOf = (version: Version) => version.holds.some(({ id }) => id === command.hold_id);
      const held = registry.versions.find(isOf);
      if (held === undefined) return 'hold_not_found';
      held.holds = held.holds.filter(({ id }) => id !== command.hold_id);
      return null;
    }
    case 'Rollback': {
      const to = command.to === null ? null : livingNamed(registry, command.to);
      let made = 0;
      const nextId = () => nthId(command.new_id, made++);
      return to === undefined
        ? 'version_not_found'
        : releases.rollback(registry, to, command, nextId);
    }
    case 'ReportDeployment':
    case 'Undeploy':
    case 'ShiftTraffic':
    case 'RollbackDeployment':
      return ofDeployment(registry, command);
    case 'DecidePromotion':
    case 'WithdrawPromotion':
    case 'SettlePromotion': {
      const request = registry.requests.get(command.promotion_request_id);
      if (request === undefined) return 'promotion_not_found';
      if (type === 'DecidePromotion') return releases.decide(registry, request, command);
      if (type === 'WithdrawPromotion') return releases.withdraw(request, command);
      releases.settle(registry, request, command);
      return null;
    }
    case 'UpdateBinding':
    case 'RemoveBinding': {
      const binding = registry.bindings.get(command.binding_id);
      if (binding === undefined) return 'binding_not_found';
      if (type === 'UpdateBinding')
        return binding.removed ? 'binding_not_found' : updateBinding(registry, binding, command);
      if (!binding.removed && binding.status === 'active') binding.status = 'inactive';
      binding.removed = true;
      return null;
    }
    case 'DeleteVersion': {
      const version = named(registry, command.version);
      if (version === undefined) return 'version_not_found';
      if (version.deleted) return null;
      const isUsed = usesOf(registry, version, command.at).length > 0;
      if (isUsed || releases.childrenOf(registry, version).length > 0) return 'in_use';
      handOver(registry, version, null);
      version.deleted = true;
      registry.alerts.delete(`sunset:${version.number}`);
      registry.displaced = registry.displaced.filter((number) => number !== version.number);
      stale(registry, version.number);
      return null;
    }
    case 'Activate':
    case 'Approve':
    case 'Archive':
    case 'CreateBinding':
    case 'Deactivate':
    case 'Demote':
    case 'Deploy':
    case 'Deprecate':
    case 'PlaceHold':
    case 'Promote':
    case 'Reject':
    case 'RequestPromotion':
    case 'Restore':
    case 'RevokeApproval':
    case 'SetAlias':
    case 'SetDefault':
    case 'StartTesting':
    case 'Transition':
    case 'RaiseSunsetAlert':
    case 'UpdateVersion': {
      const version = livingNamed(registry, command.version);
      return version === undefined ? 'version_not_found' : ofVersion(registry, version, command);
    }
  }
}

const livingNamed = (registry: Registry, ref: Parameters<typeof named>[1]): Version | undefined => {
  const found = named(registry, ref);
  return found?.deleted === true ? undefined : found;
};

type OnDeployment = CommandOf<
  'ReportDeployment' | 'Undeploy' | 'ShiftTraffic' | 'RollbackDeployment'
>;

function ofDeployment(registry: Registry, command: OnDeployment): Code | null {
  const deployment = registry.deployments.get(command.deployment_id);
  if (deployment === undefined) return 'deployment_not_found';
  switch (command.type) {
    case 'ReportDeployment':
      return report(registry, deployment, command);
    case 'Undeploy':
      return undeploy(registry, deployment);
    case 'ShiftTraffic':
      return shift(registry, deployment, command);
    case 'RollbackDeployment': {
      const to = command.to === null ? null : livingNamed(registry, command.to);
      return to === undefined
        ? 'version_not_found'
        : rollBackDeployment(registry, deployment, to, command);
    }
  }
}

type OnVersion = Exclude<
  Extract<ModelCommand, { version: Parameters<typeof named>[1] }>,
  { type: 'DeleteVersion' }
>;

function ofVersion(registry: Registry, version: Version, command: OnVersion): Code | null {
  const { policy } = command.in_force;
  const isRetired = version.stage === 'deprecated' || version.stage === 'archived';
  switch (command.type) {
    case 'UpdateVersion':
      return updateVersion(registry, version, command);
    case 'StartTesting':
    case 'Approve':
    case 'Reject':
    case 'RevokeApproval':
      return releases.judge(registry, version, command.type, command);
    case 'Promote':
      return releases.promote(registry, version, command);
    case 'RequestPromotion':
      return releases.request(registry, version, command);
    case 'Demote':
      return releases.demote(registry, version, command);
    case 'Deprecate':
      return releases.deprecate(registry, version, command.sunset_at);
    case 'Transition':
      return releases.transit(registry, version, command);
    case 'RaiseSunsetAlert':
      if (version.stage === 'deprecated' && version.sunsetAt === command.sunset_at)
        registry.alerts.add(`sunset:${version.number}`);
      return null;
    case 'Archive':
      return releases.archive(registry, version, command, command.judged_by);
    case 'Restore':
      return releases.bringBack(registry, version, command.to_stage, command);
    case 'SetDefault':
      return releases.setDefault(registry, version, command);
    case 'Activate':
      if (version.active) return null;
      if (version.stage === 'archived') return 'version_retired';
      if (policy.single_active) for (const other of registry.versions) other.active = false;
      version.active = true;
      return null;
    case 'Deactivate':
      version.active = false;
      return null;
    case 'SetAlias': {
      if (registry.aliases.get(command.alias) === version.number) return null;
      if (isRetired) return 'version_retired';
      if (policy.protected_pointers.includes('aliases') && version.stage !== 'production')
        return 'pointer_protected';
      registry.aliases.set(command.alias, version.number);
      return null;
    }
    case 'PlaceHold':
      if ((command.reason ?? '') === '') return 'reason_required';
      if (command.until !== null && command.until <= command.at) return 'time_in_past';
      version.holds.push({ id: command.hold_id, until: command.until });
      return null;
    case 'CreateBinding': {
      if (isRetired) return 'version_retired';
      const { status, success_rate, last_used_at } = command.binding;
      if (isInFuture(last_used_at, command.at)) return 'time_in_future';
      const refused = status === 'active' ? activationRefused(registry, version, command) : null;
      registry.bindings.set(command.binding_id, {
        id: command.binding_id,
        number: version.number,
        status,
        removed: false,
        success: success_rate,
      });
      return refused;
    }
    case 'Deploy':
      return deploy(registry, version, command);
  }
}

const isInFuture = (time: string | null | undefined, at: string): boolean =>
  typeof time === 'string' && Date.parse(time) > Date.parse(at) + clockSkewMs;

function activationRefused(
  registry: Registry,
  version: Version,
  { in_force }: Pick<ModelCommand, 'in_force'>,
): Code | null {
  if (version.deleted) return 'version_not_found';
  if (version.stage === 'deprecated' || version.stage === 'archived') return 'version_retired';
  if (registry.state === 'inactive') return 'model_inactive';
  const isProtected = in_force.policy.protected_pointers.includes('bindings');
  return isProtected && version.stage !== 'production' ? 'pointer_protected' : null;
}

function updateBinding(
  registry: Registry,
  binding: Binding,
  command: CommandOf<'UpdateBinding'>,
): Code | null {
  const { status, success_rate, last_used_at } = command.patch;
  if (isInFuture(last_used_at, command.at)) return 'time_in_future';
  if (success_rate !== undefined) binding.success = success_rate;
  if (status === undefined || status === binding.status) return null;
  const isWay =
    `${binding.status} ${status}` !== 'inactive deprecated' &&
    `${binding.status} ${status}` !== 'deprecated active';
  if (!isWay) return 'illegal_transition';
  binding.status = status;
  return status === 'active'
    ? activationRefused(registry, versionAt(registry, binding.number), command)
    : null;
}

function updateModel(
  registry: Registry,
  { patch, name, is_active }: CommandOf<'UpdateModel'>,
): Code | null {
  if (name !== undefined) registry.name = name;
  if (patch.team !== undefined && patch.team !== registry.team) {
    registry.team = patch.team;
    for (const { number } of registry.versions) stale(registry, number);
  }
  if (is_active !== undefined) registry.state = is_active ? 'active' : 'inactive';
  return null;
}

function updateVersion(
  registry: Registry,
  version: Version,
  command: CommandOf<'UpdateVersion'>,
): Code | null {
  const { is_default, patch } = command;
  if (is_default === false && registry.default === version.number) return 'immutable';
  const { evidence } = version;
  const { metrics, release_notes, slo_ok } = patch;
  const said = {
    accuracy: metrics === undefined ? evidence.accuracy : (metrics[0]?.value ?? null),
    notes: release_notes === undefined ? evidence.notes : release_notes,
    slo: slo_ok === undefined ? evidence.slo : slo_ok,
  };
  if (JSON.stringify(said) !== JSON.stringify(evidence)) {
    const { subject, declared_by } = command.asker;
    for (const part of ['accuracy', 'notes', 'slo'] as const)
      if (said[part] !== evidence[part]) version.evidenceBy[part] = { subject, declared_by };
    version.evidence = said;
    if (version.readiness === 'rejected') version.readiness = 'testing';
    stale(registry, version.number);
  }
  return is_default === true ? releases.setDefault(registry, version, command) : null;
}
