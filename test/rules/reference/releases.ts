// Stages, what a rung asks for, who agreed, and the way back, as the release ladder of `domain.md` has it.
import type { ModelCommand } from '#events/model/commands.ts';
import type { Asker } from '#events/model/four-eyes.ts';
import type { Policy } from '#events/policy/policy.ts';
import { rollBackPlace } from './places.ts';
import { handOver, live, living, moveTo, stale, usesOf, versionAt } from './registry.ts';
import type { Code, CommandOf, Person, Registry, Request, Version } from './registry.ts';

type Target = 'staging' | 'production';
type Asked = Pick<ModelCommand, 'at' | 'in_force' | 'asker' | 'reason'>;

const hourMs = 3_600_000;

/** What an approval is given for: these bytes, this evidence, this policy. */
function givenFor(version: Version, { in_force }: Pick<Asked, 'in_force'>): string {
  const { allow_skip, multi_production, evidence_required, approvals, gates, on_superseded } =
    in_force.policy;
  return JSON.stringify([
    [version.digest, version.evidence, version.readiness],
    [allow_skip, multi_production, evidence_required, on_superseded],
    [approvals.required, approvals.role, approvals.expires_after_hours, gates],
  ]);
}

/** Whether somebody's word on the work of these would be their own, or acts by what one of them gave. */
const dependsOn = (person: Asker, others: readonly Person[]): boolean =>
  person.type !== 'user' ||
  others.some(({ subject, declared_by }) =>
    [person.subject, ...person.granted_by].some((one) => one === subject || one === declared_by),
  );

/** Who asked for it, made the version, or said a part of the evidence that stands. */
const involvedIn = (request: Request, version: Version): Person[] => [
  request.by,
  version.registeredBy,
  ...Object.values(version.evidenceBy),
];

/** Somebody by each of the roles that would do, whoever gave it. */
const byEachRole = (asker: Asker, roles: readonly string[]): Asker[] =>
  [asker, ...(asker.other_roles ?? []).map((held) => ({ ...asker, ...held }))].filter(({ role }) =>
    roles.includes(role),
  );

const needed = ({ approvals }: Policy, to: Target): number =>
  to === 'production' ? approvals.required : 0;

const liveRequest = (registry: Registry, version: Version, to: Target): Request | undefined =>
  [...registry.requests.values()].find(
    (request) => request.state === 'open' && request.number === version.number && request.to === to,
  );

function approvalsOf(registry: Registry, request: Request, asked: Asked): number {
  const version = versionAt(registry, request.number);
  return [...request.decisions.values()].filter(
    (one) =>
      one.decision === 'approve' &&
      one.givenFor === givenFor(version, asked) &&
      !dependsOn(one.by, involvedIn(request, version)),
  ).length;
}

function failsGate(registry: Registry, version: Version, gate: Policy['gates'][number]): boolean {
  const { accuracy, notes, slo } = version.evidence;
  switch (gate.gate) {
    case 'metric':
      return accuracy === null || accuracy < gate.threshold;
    case 'beats_production': {
      const incumbent = registry.production.findLast((number) => number !== version.number);
      if (incumbent === undefined) return false;
      const standing = versionAt(registry, incumbent).evidence.accuracy;
      return accuracy === null || standing === null || accuracy <= standing;
    }
    case 'has_release_notes':
      return (notes ?? '') === '';
    case 'slo_ok':
      return slo !== true;
    case 'artifact_verified':
    case 'has_lineage':
    case 'has_signature':
    case 'cost_per_1k_max':
    case 'evaluated_within_days':
      throw new Error(`no life is compared under the gate ${gate.gate}`);
  }
}

function bytesRefused(version: Version, to: Target, { in_force }: Asked): Code | null {
  const { policy } = in_force;
  const asksBytes = policy.evidence_required || needed(policy, to) > 0;
  if (asksBytes && version.digest === null) return 'digest_required';
  return policy.evidence_required && version.uri === null ? 'digest_required' : null;
}

/** What a rung asks for beside approvals. */
function rungRefused(registry: Registry, version: Version, to: Target, asked: Asked): Code | null {
  const { policy } = asked.in_force;
  if (version.rung === 'development' && to === 'production' && !policy.allow_skip)
    return 'skip_not_allowed';
  const bytes = bytesRefused(version, to, asked);
  if (bytes !== null || to === 'staging') return bytes;
  if (policy.evidence_required && version.readiness !== 'approved') return 'not_ready';
  return policy.gates.some((gate) => failsGate(registry, version, gate)) ? 'gates_failed' : null;
}

function glassRefused(version: Version, to: Target, asked: Asked): Code | null {
  if (asked.in_force.policy.break_glass === 'forbidden') return 'break_glass_forbidden';
  if (asked.asker.role !== 'admin') return 'forbidden';
  if ((asked.reason ?? '') === '') return 'reason_required';
  return bytesRefused(version, to, asked);
}

/** Whether policy lets a version onto a rung, and the request that it is promoted for. */
function climbing(
  registry: Registry,
  version: Version,
  to: Target,
  asked: Asked,
): { refused: Code | null; request: Request | null } {
  const open = liveRequest(registry, version, to);
  const request = open !== undefined && asked.at < open.expiresAt ? open : null;
  const refused = rungRefused(registry, version, to, asked);
  const given = request === null ? 0 : approvalsOf(registry, request, asked);
  const isShort = given < needed(asked.in_force.policy, to);
  return { refused: refused ?? (isShort ? 'approvals_missing' : null), request };
}

/** What leaves production when another arrives. Returns whether it left. */
function displace(
  registry: Registry,
  incumbent: Version,
  arriving: Version,
  { at, in_force }: Asked,
  isRolledBack: boolean,
): boolean {
  const { on_superseded, multi_production } = in_force.policy;
  if (on_superseded === 'keep' && multi_production && !isRolledBack) return false;
  const isRetired = on_superseded === 'retire' || on_superseded === 'keep';
  const isUsed = usesOf(registry, incumbent, at).some((use) => use !== 'production');
  if (isRetired && !isUsed) {
    handOver(registry, incumbent, arriving);
    moveTo(registry, incumbent, 'archived');
  } else moveTo(registry, incumbent, on_superseded === 'staging' ? 'staging' : 'deprecated');
  stale(registry, incumbent.number);
  return true;
}

function promoteTo(
  registry: Registry,
  version: Version,
  to: Target,
  request: Request | null,
  asked: Asked,
): void {
  const incumbents = to === 'production' ? [...registry.production] : [];
  const left = incumbents.filter((number) =>
    displace(registry, versionAt(registry, number), version, asked, false),
  );
  registry.displaced.push(...left);
  moveTo(registry, version, to);
  if (to === 'production') version.wasInProduction = true;
  if (request !== null) request.state = 'executed';
  for (const other of registry.requests.values())
    if (other.state === 'open' && other.number === version.number)
      // one for production is still to come where staging is reached
      if (to === 'production' || other.to === 'staging') other.state = 'staled';
}

export function register(
  registry: Registry,
  { version_id, facts, ...said }: CommandOf<'CreateVersion'>['version'],
  asked: Asked,
): Code | null {
  const { label, content_digest, artifact_uri, lineage, release_notes, slo_ok } = facts;
  const { policy } = asked.in_force;
  const number = registry.versions.length + 1;
  if (said.stage === 'deprecated' || said.stage === 'archived') return 'illegal_transition';
  const digest = content_digest?.sha256 ?? null;
  if (label !== null && /^\d+$/.test(label) && label !== String(number))
    return 'label_not_its_number';
  const has = (other: Version): boolean =>
    (label !== null && other.label === label) ||
    (digest !== null && other.digest === digest && !other.deleted);
  if (registry.versions.some(has)) return 'version_exists';
  if (said.stage === 'production' && registry.state === 'inactive') return 'model_inactive';
  const isProtected = policy.protected_pointers.includes('default');
  if (said.is_default && said.stage !== 'production' && isProtected) return 'pointer_protected';
  const person = { subject: asked.asker.subject, declared_by: asked.asker.declared_by };
  const version: Version = {
    number,
    id: version_id,
    label,
    digest,
    uri: artifact_uri,
    parents: lineage.parent_versions,
    stage: 'development',
    rung: 'development',
    readiness: said.readiness,
    active: false,
    deleted: false,
    sunsetAt: null,
    wasInProduction: false,
    evidence: {
      accuracy: facts.metrics.find(({ name }) => name === 'accuracy')?.value ?? null,
      notes: release_notes,
      slo: slo_ok,
    },
    registeredBy: person,
    evidenceBy: {},
    holds: [],
  };
  registry.versions.push(version);
  if (said.is_default || registry.default === null) {
    registry.default = number;
    registry.defaultBy = said.is_default ? 'caller' : 'registry';
  }
  if (said.stage === 'development') return null;
  const { refused, request } = climbing(registry, version, said.stage, asked);
  if (refused === null) promoteTo(registry, version, said.stage, request, asked);
  return refused;
}

/** Why there is no way up from here, whatever policy says. */
function wayUpRefused(registry: Registry, version: Version, to: string): Code | null {
  const isWay =
    (to === 'staging' && ['development', 'deprecated'].includes(version.stage)) ||
    (to === 'production' && ['development', 'staging', 'deprecated'].includes(version.stage));
  if (!isWay) return 'illegal_transition';
  return to === 'production' && registry.state === 'inactive' ? 'model_inactive' : null;
}

export function promote(
  registry: Registry,
  version: Version,
  command: CommandOf<'Promote'>,
): Code | null {
  if (version.stage === command.to_stage) return null;
  const noWay = wayUpRefused(registry, version, command.to_stage);
  if (noWay !== null) return noWay;
  const to = command.to_stage as Target;
  const { refused, request } =
    command.break_glass === true
      ? { refused: glassRefused(version, to, command), request: null }
      : climbing(registry, version, to, command);
  if (refused === null) promoteTo(registry, version, to, request, command);
  return refused;
}

export function demote(
  registry: Registry,
  version: Version,
  { to_stage }: CommandOf<'Demote'>,
): Code | null {
  const to = to_stage ?? (version.stage === 'production' ? 'staging' : 'development');
  if (version.stage === to) return null;
  const isDown =
    (version.stage === 'production' && to === 'staging') ||
    (version.stage === 'staging' && to === 'development');
  if (!isDown) return 'illegal_transition';
  moveTo(registry, version, to);
  stale(registry, version.number);
  return null;
}

export function deprecate(
  registry: Registry,
  version: Version,
  sunsetAt: string | null,
): Code | null {
  if (version.stage === 'archived') return 'illegal_transition';
  if (version.stage === 'deprecated') {
    // what is said anew is the announced end
    if (sunsetAt === null || sunsetAt === version.sunsetAt) return null;
    version.sunsetAt = sunsetAt;
    registry.alerts.delete(`sunset:${version.number}`);
    return null;
  }
  moveTo(registry, version, 'deprecated');
  version.sunsetAt = sunsetAt;
  stale(registry, version.number);
  return null;
}

export function archive(
  registry: Registry,
  version: Version,
  { at, in_force }: Asked,
  judgedBy: CommandOf<'Archive'>['judged_by'] = null,
): Code | null {
  if (version.stage === 'archived') return null;
  const judged = judgedBy?.map((one) => `${one.scope} ${one.version}`);
  const now = in_force.ref?.scopes.map((scope, nth) => `${scope} ${in_force.ref!.versions[nth]}`);
  if (judged !== undefined && judged.join() !== (now ?? []).join()) return 'policy_moved';
  if (usesOf(registry, version, at).length > 0) return 'in_use';
  handOver(registry, version, null);
  moveTo(registry, version, 'archived');
  stale(registry, version.number);
  return null;
}

/** Back by somebody's word: to staging as if it were promoted there. */
export function bringBack(
  registry: Registry,
  version: Version,
  to: string,
  asked: Asked,
): Code | null {
  const isToStaging = version.stage === 'archived' && to === 'staging';
  const refused = isToStaging ? rungRefused(registry, version, 'staging', asked) : null;
  return refused ?? restore(registry, version, to);
}

function restore(registry: Registry, version: Version, to: string): Code | null {
  if (version.stage === to) return null;
  if (version.stage !== 'archived') return 'illegal_transition';
  if (to !== 'development' && to !== 'staging') return 'illegal_transition';
  moveTo(registry, version, to);
  if (registry.default === null) {
    registry.default = version.number;
    registry.defaultBy = 'registry';
  }
  stale(registry, version.number);
  return null;
}

/** To whatever stage, by the step that leads there. */
export function transit(
  registry: Registry,
  version: Version,
  command: CommandOf<'Transition'>,
): Code | null {
  const { to_stage: to } = command;
  if (version.stage === to) return null;
  if (version.stage === 'archived') return bringBack(registry, version, to, command);
  if (to === 'archived') return archive(registry, version, command);
  if (to === 'deprecated') return deprecate(registry, version, null);
  const isDown = to === 'development' || (to === 'staging' && version.stage === 'production');
  return isDown
    ? demote(registry, version, { ...command, type: 'Demote' })
    : promote(registry, version, { ...command, type: 'Promote' });
}

/** An order of retention: whatever is beyond the newest goes, unless something uses it or its age still keeps it. */
export function applyRetention(registry: Registry, command: CommandOf<'ApplyRetention'>): void {
  const { retention_count, numbers, in_force, at } = command;
  const { age_days, newest_kept } = in_force.policy.retention;
  if (age_days.development > 0) return;
  const standing = living(registry).filter(({ stage }) => stage !== 'archived');
  const kept = Math.max(newest_kept, retention_count ?? 0);
  const going = standing
    .slice(0, Math.max(0, standing.length - kept))
    .filter((version) => usesOf(registry, version, at).length === 0)
    .filter(({ number }) => numbers?.includes(number) ?? true);
  const isDefault = ({ number }: Version) => registry.default === number;
  // the default goes last, and to a version that stays
  const ordered = going.filter((one) => !isDefault(one)).concat(going.filter(isDefault));
  for (const version of ordered) archive(registry, version, command);
}

/** `training → testing`, `training | testing → approved | rejected`, `approved → testing` when revoked, `rejected → testing`. */
export function judge(
  registry: Registry,
  version: Version,
  verb: 'StartTesting' | 'Approve' | 'Reject' | 'RevokeApproval',
  asked: Asked,
): Code | null {
  const { readiness } = version;
  const to = ({ StartTesting: 'testing', Approve: 'approved', Reject: 'rejected' } as const)[
    verb as 'StartTesting'
  ] as Version['readiness'] | undefined;
  const wanted = to ?? 'testing';
  const mayNot =
    verb === 'Approve' &&
    readiness !== 'approved' &&
    asked.in_force.policy.evidence_required &&
    byEachRole(asked.asker, [asked.asker.role, 'approver', 'admin']).every((one) =>
      dependsOn(one, [version.registeredBy]),
    );
  if (mayNot) return 'not_independent';
  if (readiness === wanted) return null;
  const from = {
    StartTesting: ['training', 'rejected'],
    Approve: ['training', 'testing'],
    Reject: ['training', 'testing'],
    RevokeApproval: ['approved'],
  }[verb];
  if (!from.includes(readiness)) return 'illegal_transition';
  version.readiness = wanted;
  stale(registry, version.number);
  return null;
}

export function setDefault(registry: Registry, version: Version, { in_force }: Asked): Code | null {
  if (registry.default === version.number && registry.defaultBy === 'caller') return null;
  if (version.stage === 'deprecated' || version.stage === 'archived') return 'version_retired';
  const isProtected = in_force.policy.protected_pointers.includes('default');
  if (isProtected && version.stage !== 'production') return 'pointer_protected';
  registry.default = version.number;
  registry.defaultBy = 'caller';
  return null;
}

/** The last incumbent that a promotion displaced and no rollback has gone behind, or the version that is named. */
export function rollback(
  registry: Registry,
  to: Version | null,
  command: CommandOf<'Rollback'>,
  nextId: () => string,
): Code | null {
  const current = registry.production.at(-1);
  const last = registry.displaced.findLast(
    (number) => number !== current && !versionAt(registry, number).deleted,
  );
  const back = to ?? (last === undefined ? null : versionAt(registry, last));
  if (back === null) return 'nothing_to_roll_back_to';
  if (back.number === current) return null;
  if (!back.wasInProduction) return 'never_in_production';
  if (back.readiness === 'rejected') return 'rollback_unsafe';
  if (back.stage === 'archived') restore(registry, back, 'staging');
  if (current !== undefined) {
    for (const deployment of live(registry, current))
      if (deployment.status === 'deployed')
        rollBackPlace(registry, deployment, back, nextId(), command.at);
    displace(registry, versionAt(registry, current), back, command, true);
    for (const number of registry.production.filter((other) => other !== back.number))
      displace(registry, versionAt(registry, number), back, command, false);
  }
  moveTo(registry, back, 'production');
  stale(registry, back.number);
  const behind = registry.displaced.lastIndexOf(back.number);
  if (behind >= 0) registry.displaced = registry.displaced.slice(0, behind);
  return null;
}

/** How an open request has ended by itself; it is written when somebody looks. */
function endedBy(registry: Registry, request: Request, asked: Asked): 'expired' | 'staled' | null {
  if (asked.at >= request.expiresAt) return 'expired';
  const isAsMade = request.madeFor === givenFor(versionAt(registry, request.number), asked);
  return isAsMade ? null : 'staled';
}

export function request(
  registry: Registry,
  version: Version,
  command: CommandOf<'RequestPromotion'>,
): Code | null {
  const { at, asker, in_force, to_stage } = command;
  const noWay = wayUpRefused(registry, version, to_stage);
  if (noWay !== null) return noWay;
  if (registry.state === 'inactive') return 'model_inactive';
  const open = liveRequest(registry, version, to_stage);
  const ended = open === undefined ? null : endedBy(registry, open, command);
  if (open !== undefined && ended === null) return 'promotion_open';
  const refused = rungRefused(registry, version, to_stage, command);
  if (refused !== null) return refused;
  if (open !== undefined && ended !== null) open.state = ended;
  registry.requests.set(command.promotion_request_id, {
    id: command.promotion_request_id,
    number: version.number,
    to: to_stage,
    state: 'open',
    auto: command.auto_execute,
    expiresAt: new Date(
      Date.parse(at) + in_force.policy.approvals.expires_after_hours * hourMs,
    ).toISOString(),
    by: { subject: asker.subject, declared_by: asker.declared_by },
    madeFor: givenFor(version, command),
    decisions: new Map(),
  });
  return null;
}

export function decide(
  registry: Registry,
  one: Request,
  command: CommandOf<'DecidePromotion'>,
): Code | null {
  const { asker, decision, in_force } = command;
  const before = one.decisions.get(asker.subject);
  if (one.state !== 'open') return before?.decision === decision ? null : 'promotion_ended';
  const ended = endedBy(registry, one, command);
  if (ended !== null) {
    one.state = ended;
    return null;
  }
  const { role } = in_force.policy.approvals;
  const acting = byEachRole(asker, role === 'admin' ? ['admin'] : ['approver', 'admin']);
  if (acting.length === 0) return 'forbidden';
  const version = versionAt(registry, one.number);
  const others = involvedIn(one, version);
  const by = acting.find((person) => decision === 'reject' || !dependsOn(person, others));
  if (by === undefined) return 'not_independent';
  one.decisions.set(asker.subject, { decision, by, givenFor: givenFor(version, command) });
  if (decision === 'reject') one.state = 'rejected';
  return null;
}

export function withdraw(one: Request, { asker, at }: CommandOf<'WithdrawPromotion'>): Code | null {
  if (one.state === 'withdrawn') return null;
  if (one.state !== 'open' || at >= one.expiresAt) return 'promotion_ended';
  if (asker.subject !== one.by.subject && asker.role !== 'admin') return 'forbidden';
  one.state = 'withdrawn';
  return null;
}

/** The policy's own hand: an ended request is written off, one that is agreed to is executed. */
export function settle(
  registry: Registry,
  one: Request,
  command: CommandOf<'SettlePromotion'>,
): void {
  if (one.state !== 'open') return;
  const ended = endedBy(registry, one, command);
  if (ended !== null) {
    one.state = ended;
    return;
  }
  const given = approvalsOf(registry, one, command);
  const isAgreed = given >= needed(command.in_force.policy, one.to);
  if (!isAgreed || registry.state !== 'active') return;
  const version = versionAt(registry, one.number);
  const noWay = wayUpRefused(registry, version, one.to);
  const refused = noWay ?? climbing(registry, version, one.to, command).refused;
  if (refused !== null) one.state = 'staled';
  else if (one.auto) promoteTo(registry, version, one.to, one, command);
}

/** Living versions that were made from this one. */
export const childrenOf = (registry: Registry, { number, id, label }: Version): Version[] =>
  living(registry).filter(
    (other) =>
      other.number !== number &&
      other.parents.some((parent) => [id, String(number), label].includes(parent)),
  );
