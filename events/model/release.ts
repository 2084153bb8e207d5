// The release ladder: which stage follows which, and what leaves production when another arrives.
import { daysAfter } from '../days.ts';
import type { Decision } from '../decider.ts';
import type {
  ArchiveCause,
  Common,
  ModelCommand,
  ModelRefusal,
  PolicyVersions,
} from './commands.ts';
import { readinesses, stages } from './shapes.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import type { Readiness, Stage } from './shapes.ts';
import { whyAssessmentDoesNotCount } from './four-eyes.ts';
import { failedOf } from './gates.ts';
import { grantFor, openGrant, rungRefusal } from './rungs.ts';
import type { Grant } from './rungs.ts';
import type { ModelState } from './state.ts';
import { usesOf } from './uses.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type CommandOf<T extends ModelCommand['type']> = Extract<ModelCommand, { type: T }>;

/** Which command moves a version from one stage to another; what is not here is illegal. */
export const ladder: Record<
  Stage,
  Partial<Record<Stage, 'promote' | 'demote' | 'deprecate' | 'archive' | 'restore'>>
> = {
  development: {
    staging: 'promote',
    production: 'promote',
    deprecated: 'deprecate',
    archived: 'archive',
  },
  staging: {
    development: 'demote',
    production: 'promote',
    deprecated: 'deprecate',
    archived: 'archive',
  },
  production: { staging: 'demote', deprecated: 'deprecate', archived: 'archive' },
  deprecated: { staging: 'promote', production: 'promote', archived: 'archive' },
  archived: { development: 'restore', staging: 'restore' },
};

const legalStages = (from: Stage): readonly Stage[] =>
  stages.filter((to) => ladder[from][to] !== undefined);

export const illegalStage = (from: Stage, to: Stage): Outcome => ({
  refusal: {
    code: 'illegal_transition',
    axis: 'stage',
    from,
    to,
    legal_transitions: legalStages(from),
  },
});

/** As much of a version as a move needs; one that is only being made has no more yet. */
type Candidate = Pick<Version, 'facts' | 'stage'>;

/** How an event names the version. */
export const versionRef = ({ facts }: Candidate) => ({
  model_id: facts.model_id,
  version_id: facts.version_id,
  number: facts.number,
  label: facts.label,
});

/**
 * The version that takes over a default set by the registry when `leaving` is archived: the production version, else
 * the newest in development or staging, else deprecated, else none. `arriving` is about to be in production.
 */
function heirOfDefault(
  state: ModelState,
  leaving: Version,
  arriving: Candidate | null,
): Candidate | null {
  if (arriving !== null) return arriving;
  let heir: Version | null = null;
  let heirRank = 0;
  const rank: Record<Stage, number> = {
    production: 3,
    staging: 2,
    development: 2,
    deprecated: 1,
    archived: 0,
  };
  for (const version of state.versions.values()) {
    if (version.facts.number === leaving.facts.number || version.deleted_at !== null) continue;
    const mine = rank[version.stage];
    if (
      mine > heirRank ||
      (mine === heirRank && heir !== null && version.facts.number > heir.facts.number)
    ) {
      heir = version;
      heirRank = mine;
    }
  }
  return heirRank === 0 ? null : heir;
}

function defaultMoves(
  modelId: string,
  { model }: ModelState,
  to: Candidate | null,
  setBy: 'registry' | 'caller',
): ModelEvent {
  return {
    type: 'default.changed',
    data: {
      model_id: modelId,
      version_id: to?.facts.version_id ?? null,
      number: to?.facts.number ?? null,
      previous_version_id: model?.default_version_id ?? null,
      previous_number: model?.default_number ?? null,
      set_by: setBy,
    },
  };
}

/** A default that the registry set moves on before its version goes. */
export const handingOver = (
  state: ModelState,
  leaving: Version,
  arriving: Candidate | null,
): ModelEvent[] =>
  leaving.is_default
    ? [
        defaultMoves(
          leaving.facts.model_id,
          state,
          heirOfDefault(state, leaving, arriving),
          'registry',
        ),
      ]
    : [];

type Moment = Pick<Common, 'at' | 'in_force' | 'reason'>;

/** The events that archive a version which nothing uses; a default that the registry set moves first. */
export function archiving(
  state: ModelState,
  version: Version,
  because: ArchiveCause,
  { at, in_force, reason }: Moment,
  arriving: Candidate | null,
): ModelEvent[] {
  const events = handingOver(state, version, arriving);
  events.push({
    type: 'model.archived',
    data: {
      ...versionRef(version),
      from_stage: version.stage,
      cause: because.cause,
      plan_id: because.plan_id,
      rule: because.rule,
      archive_uri: null,
      purge_not_before: daysAfter(at, in_force.policy.retention.age_days.archived),
      reason,
    },
  });
  return events;
}

/**
 * What becomes of an incumbent, as policy says; `retire`: archived if nothing else uses it, else deprecated until its
 * last use ends.
 * @param isRolledBack it is the one that was bad: it does not stay, and leaves with the reason
 */
export function displacing(
  state: ModelState,
  incumbent: Version,
  arriving: Candidate,
  { at, in_force, reason }: Moment,
  isRolledBack = false,
): ModelEvent[] {
  const { on_superseded, multi_production } = in_force.policy;
  if (on_superseded === 'keep' && multi_production && !isRolledBack) return [];
  const isRetired = on_superseded === 'retire' || on_superseded === 'keep';
  const isUsed = usesOf(state, incumbent, at).some((use) => use.kind !== 'production');
  if (isRetired && !isUsed)
    return archiving(
      state,
      incumbent,
      { cause: 'superseded', plan_id: null, rule: null },
      { at, in_force, reason: isRolledBack ? reason : null },
      arriving,
    );
  return [
    {
      type: 'version.superseded',
      data: {
        ...versionRef(incumbent),
        from_stage: 'production',
        to_stage: on_superseded === 'staging' ? 'staging' : 'deprecated',
        superseded_by_version_id: arriving.facts.version_id,
      },
    },
  ];
}

/**
 * The events of a legal promotion. The incumbent leaves first, so that no prefix has two production versions.
 * @param takesDefault the version has become the default in this same append, so the incumbent is not it any more
 */
export function promotion(
  state: ModelState,
  version: Candidate,
  toStage: 'staging' | 'production',
  moment: Moment,
  takesDefault = false,
  grant: Grant = openGrant(version),
): ModelEvent[] {
  const leaving = toStage === 'production' ? (state.model?.production ?? []) : [];
  const incumbents = leaving.map((number) => {
    const incumbent = state.versions.get(number)!;
    return takesDefault ? { ...incumbent, is_default: false } : incumbent;
  });
  const displaced = incumbents.flatMap((one) => displacing(state, one, version, moment));
  const last = incumbents.at(-1)?.facts.version_id ?? null;
  const promoted: ModelEventData<'model.promoted'> = {
    ...versionRef(version),
    from_stage: version.stage,
    to_stage: toStage,
    ...grant,
    content_digest: version.facts.content_digest,
    superseded_version_id: displaced.length === 0 ? null : last,
    previous_production_version_id: last,
    rollback_of: null,
    reason: moment.reason,
  };
  const events: ModelEvent[] = [...displaced, { type: 'model.promoted', data: promoted }];
  return grant.mode === 'break_glass' ? [...events, glassBroken(promoted)] : events;
}

/** Stays until somebody has looked at it. */
const glassBroken = ({
  model_id,
  version_id,
  number,
  to_stage,
  gates,
  reason,
}: ModelEventData<'model.promoted'>): ModelEvent => ({
  type: 'alert.raised',
  data: {
    model_id,
    version_id,
    number,
    alert: `break_glass:${number}`,
    kind: 'break_glass',
    detail: { to_stage, reason, failed_gates: failedOf(gates) },
  },
});

/** Why a version cannot be promoted to this stage from where it is, whatever policy says; null if it can. */
export function climb(state: ModelState, version: Candidate, to: Stage): ModelRefusal | null {
  if (ladder[version.stage][to] !== 'promote') return illegalStage(version.stage, to).refusal!;
  if (to === 'production' && state.model?.state === 'inactive')
    return { code: 'model_inactive', state: state.model.state };
  return null;
}

export function promote(
  state: ModelState,
  version: Version,
  command: CommandOf<'Promote'>,
): Outcome {
  const { to_stage } = command;
  if (version.stage === to_stage) return { events: [] };
  const refusal = climb(state, version, to_stage);
  if (refusal !== null) return { refusal };
  const to = to_stage === 'staging' ? to_stage : 'production';
  const how = { break_glass: command.break_glass ?? false, automated: false };
  const granted = grantFor(state, version, to, command, how);
  if (granted.refusal !== undefined) return granted;
  return { events: promotion(state, version, to, command, false, granted.grant) };
}

export function demote(version: Version, command: CommandOf<'Demote'>): Outcome {
  const to_stage = command.to_stage ?? rungBelow(version.stage);
  const { reason } = command;
  if (version.stage === to_stage) return { events: [] };
  if (ladder[version.stage][to_stage] !== 'demote') return illegalStage(version.stage, to_stage);
  return {
    events: [
      {
        type: 'version.demoted',
        data: { ...versionRef(version), from_stage: version.stage, to_stage, reason },
      },
    ],
  };
}

/** Where a demotion without a stage leads: one rung down. */
const rungBelow = (from: Stage): Stage => (from === 'production' ? 'staging' : 'development');

/** Of what is deprecated already, only another announced end is news. */
export function deprecate(version: Version, command: CommandOf<'Deprecate'>): Outcome {
  const isMoved = command.sunset_at !== null && command.sunset_at !== version.sunset_at;
  if (version.stage === 'deprecated' && !isMoved) return { events: [] };
  if (version.stage !== 'deprecated' && ladder[version.stage].deprecated !== 'deprecate')
    return illegalStage(version.stage, 'deprecated');
  return {
    events: [
      {
        type: 'version.deprecated',
        data: {
          ...versionRef(version),
          from_stage: version.stage,
          sunset_at: command.sunset_at,
          reason: command.reason,
        },
      },
    ],
  };
}

export function archive(
  state: ModelState,
  version: Version,
  command: CommandOf<'Archive'>,
): Outcome {
  if (version.stage === 'archived') return { events: [] };
  const moved = policyMoved(command.judged_by ?? null, command);
  if (moved !== null) return { refusal: moved };
  const blocking = usesOf(state, version, command.at);
  if (blocking.length > 0)
    return { refusal: { code: 'in_use', number: version.facts.number, blocking } };
  return { events: archiving(state, version, command.because, command, null) };
}

/** A policy that was set in between may keep the version longer: it must be judged anew. */
function policyMoved(
  judgedBy: PolicyVersions | null,
  { in_force: { ref } }: Pick<Common, 'in_force'>,
): ModelRefusal | null {
  if (judgedBy === null) return null;
  const scopes = ref?.scopes ?? judgedBy.map(({ scope }) => scope);
  const versions = ref?.versions ?? judgedBy.map(() => 0);
  const isSame =
    scopes.length === judgedBy.length &&
    judgedBy.every(
      ({ scope, version }, index) => scopes[index] === scope && versions[index] === version,
    );
  return isSame ? null : { code: 'policy_moved', scopes, versions };
}

/** A restore that is asked for: to staging it is asked what a promotion there is. A rollback restores without. */
export function bringBack(
  state: ModelState,
  version: Version,
  command: Pick<CommandOf<'Restore'>, 'to_stage' | 'reason' | 'in_force'>,
): Outcome {
  const isToStaging = version.stage === 'archived' && command.to_stage === 'staging';
  const refusal = isToStaging ? rungRefusal(version, 'staging', command.in_force, []) : null;
  return refusal === null ? restore(state, version, command) : { refusal };
}

export function restore(
  state: ModelState,
  version: Version,
  command: Pick<CommandOf<'Restore'>, 'to_stage' | 'reason'>,
): Outcome {
  const { to_stage, reason } = command;
  if (version.stage === to_stage) return { events: [] };
  if (ladder[version.stage][to_stage] !== 'restore') return illegalStage(version.stage, to_stage);
  const events: ModelEvent[] = [
    {
      type: 'version.restored',
      data: { ...versionRef(version), from_stage: version.stage, to_stage, reason },
    },
  ];
  if (state.model!.default_number === null)
    events.push(defaultMoves(version.facts.model_id, state, version, 'registry'));
  return { events };
}

type Judgement =
  | 'version.testing_started'
  | 'version.approved'
  | 'version.rejected'
  | 'version.approval_revoked';

/** Which judgement moves readiness from where; what is not here is illegal. */
const judgements: Record<Readiness, Partial<Record<Readiness, Judgement>>> = {
  training: {
    testing: 'version.testing_started',
    approved: 'version.approved',
    rejected: 'version.rejected',
  },
  testing: { approved: 'version.approved', rejected: 'version.rejected' },
  approved: { testing: 'version.approval_revoked' },
  rejected: { testing: 'version.testing_started' },
};

/** The step that each judgement is asked for by. */
const stepOf: Record<Judgement, string> = {
  'version.testing_started': 'test',
  'version.approved': 'approve',
  'version.rejected': 'reject',
  'version.approval_revoked': 'revoke-approval',
};

/** Testing is reached by two steps: what is refused to one is not called legal, and the one that leads there is named. */
const illegalReadiness = (from: Readiness, to: Readiness): Outcome => ({
  refusal: {
    code: 'illegal_transition',
    axis: 'readiness',
    from,
    to,
    legal_transitions: readinesses.filter(
      (other) => other !== to && judgements[from][other] !== undefined,
    ),
    legal_commands: Object.values(judgements[from]).map((judgement) => stepOf[judgement]),
  },
});

export function moveReadiness(
  version: Version,
  type: Judgement,
  to: Readiness,
  reason: string | null,
): Outcome {
  const from = version.readiness;
  if (from === to) return { events: [] };
  if (judgements[from][to] !== type) return illegalReadiness(from, to);
  return {
    events: [
      { type, data: { ...versionRef(version), from_readiness: from, to_readiness: to, reason } },
    ],
  };
}

/** Under a policy that asks for evidence, who registered a version does not say that it is fit. */
export function approveFitness(version: Version, command: CommandOf<'Approve'>): Outcome {
  const { asker, in_force, reason } = command;
  const { evidence_required, approvals } = in_force.policy;
  const because =
    evidence_required && version.readiness !== 'approved'
      ? whyAssessmentDoesNotCount(asker, version)
      : null;
  if (because === null) return moveReadiness(version, 'version.approved', 'approved', reason);
  return {
    refusal: {
      code: 'not_independent',
      because,
      number: version.facts.number,
      required_role: approvals.role,
    },
  };
}

/** Says that a version's fitness is in question again. */
export const revokeApproval = (version: Version, { reason }: Common): Outcome =>
  moveReadiness(version, 'version.approval_revoked', 'testing', reason);

export function setDefault(
  state: ModelState,
  version: Version,
  { in_force }: Pick<Common, 'in_force'>,
): Outcome {
  if (version.is_default && state.model!.default_set_by === 'caller') return { events: [] };
  if (version.stage === 'deprecated' || version.stage === 'archived')
    return {
      refusal: {
        code: 'version_retired',
        number: version.facts.number,
        stage: version.stage,
        wanted: 'default',
      },
    };
  if (in_force.policy.protected_pointers.includes('default') && version.stage !== 'production')
    return {
      refusal: {
        code: 'pointer_protected',
        pointer: 'default',
        number: version.facts.number,
        stage: version.stage,
      },
    };
  return { events: [defaultMoves(version.facts.model_id, state, version, 'caller')] };
}

/** The first version, or the next one while no default is left, becomes the default by itself. */
export function becomesDefault(
  state: ModelState,
  version: Candidate,
  byCaller: boolean,
): ModelEvent[] {
  const noneYet = (state.model?.default_number ?? null) === null;
  if (!byCaller && !noneYet) return [];
  return [defaultMoves(version.facts.model_id, state, version, byCaller ? 'caller' : 'registry')];
}
