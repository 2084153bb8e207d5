// Promotion requests: asked for, decided by others, and executed for exactly these bytes, this evidence and this policy.
import type { Decision } from '../decider.ts';
import type { Common, ModelCommand, ModelRefusal } from './commands.ts';
import { evidenceDigestOf } from './evidence.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import type { Asker } from './four-eyes.ts';
import { actingAsApprover, rolesThatApprove, whyApprovalDoesNotCount } from './four-eyes.ts';
import type { GateResult } from './gates.ts';
import { progressAt } from './promotion-row.ts';
import type { PromotionRequest } from './promotion-row.ts';
import { climb, promotion } from './release.ts';
import {
  approvalsRequired,
  boundTo,
  changedSince,
  countedApprovals,
  gatesAsked,
  grantFor,
  liveRequest,
  rungRefusal,
} from './rungs.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';
import { evidenceFields } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type CommandOf<T extends ModelCommand['type']> = Extract<ModelCommand, { type: T }>;
type StaleCause = ModelEventData<'promotion.staled'>['because'];

const hourMs = 60 * 60 * 1000;

const refOf = ({
  promotion_request_id,
  model_id,
  version_id,
  number,
  label,
}: PromotionRequest) => ({
  promotion_request_id,
  model_id,
  version_id,
  number,
  label,
});

const staled = (
  request: PromotionRequest,
  because: StaleCause,
  gates: GateResult[] = [],
  reason: string | null = null,
): ModelEvent => ({
  type: 'promotion.staled',
  data: { ...refOf(request), because, gates, reason },
});

/** What a request bound itself to when it was made. */
const boundOf = (request: PromotionRequest) => ({
  content_digest: request.content_digest,
  evidence_digest: request.evidence_digest,
  policy_digest: request.policy_ref.digest,
});

/** How an open request has ended by itself: its time is over, or what it was made for is no more; null while it lives. */
function ending(
  state: ModelState,
  request: PromotionRequest,
  { at, in_force }: Pick<Common, 'at' | 'in_force'>,
): ModelEvent | null {
  if (at >= request.expires_at)
    return {
      type: 'promotion.expired',
      data: { ...refOf(request), expires_at: request.expires_at },
    };
  const version = state.versions.get(request.number)!;
  const because = changedSince(boundOf(request), boundTo(version, in_force));
  return because === null ? null : staled(request, because);
}

export function requestPromotion(
  state: ModelState,
  version: Version,
  command: CommandOf<'RequestPromotion'>,
): Outcome {
  const { to_stage: to, at, in_force } = command;
  const illegal = climb(state, version, to);
  if (illegal !== null) return { refusal: illegal };
  // to whatever stage: nobody is asked to agree to what would not be executed
  if (state.model!.state === 'inactive')
    return { refusal: { code: 'model_inactive', state: state.model!.state } };
  const live = liveRequest(state, version.facts.number, to);
  const ended = live === null ? null : ending(state, live, command);
  if (live !== null && ended === null)
    return {
      refusal: {
        code: 'promotion_open',
        promotion_request_id: live.promotion_request_id,
        to_stage: to,
      },
    };
  const gates = gatesAsked(state, version, to, in_force, at);
  const refusal = rungRefusal(version, to, in_force, gates);
  if (refusal !== null) return { refusal };
  const { policy, ref } = in_force;
  const { model_id, version_id, number, label, content_digest } = version.facts;
  const expiresMs = Date.parse(at) + policy.approvals.expires_after_hours * hourMs;
  const requested: ModelEvent = {
    type: 'promotion.requested',
    data: {
      promotion_request_id: command.promotion_request_id,
      model_id,
      version_id,
      number,
      label,
      from_stage: version.stage,
      to_stage: to,
      content_digest,
      evidence_digest: evidenceDigestOf(version),
      policy_ref: ref ?? {
        scopes: [],
        versions: [],
        digest: boundTo(version, in_force).policy_digest,
      },
      approvals_required: approvalsRequired(in_force, to),
      gates,
      auto_execute: command.auto_execute,
      expires_at: new Date(expiresMs).toISOString(),
      reason: command.reason,
    },
  };
  return { events: ended === null ? [requested] : [ended, requested] };
}

/** A decision on a request; who comes too late is told so by how the request has ended. */
export function decidePromotion(
  state: ModelState,
  request: PromotionRequest,
  command: CommandOf<'DecidePromotion'>,
): Outcome {
  const { asker, in_force, decision, reason } = command;
  const before = request.decisions.find((other) => other.actor.subject === asker.subject);
  if (request.state !== 'open')
    return before?.decision === decision
      ? { events: [] }
      : {
          refusal: {
            code: 'promotion_ended',
            promotion_request_id: request.promotion_request_id,
            state: request.state,
          },
        };
  const ended = ending(state, request, command);
  if (ended !== null) return { events: [ended] };
  const { role } = in_force.policy.approvals;
  const acting = actingAsApprover(asker, role);
  const [strongest] = acting;
  if (strongest === undefined)
    return {
      refusal: { code: 'forbidden', required_role: rolesThatApprove(role), because: 'approval' },
    };
  const version = state.versions.get(request.number)!;
  const why = (person: Asker) =>
    decision === 'approve' ? whyApprovalDoesNotCount(person, request.requested_by, version) : null;
  const by = acting.find((person) => why(person) === null);
  if (by === undefined)
    return {
      refusal: {
        code: 'not_independent',
        because: why(strongest)!,
        number: request.number,
        required_role: role,
      },
    };
  const bound = boundTo(version, in_force);
  if (before?.decision === decision && changedSince(before, bound) === null) return { events: [] };
  return {
    events: [
      {
        type: 'promotion.decided',
        data: {
          ...refOf(request),
          decision,
          role: by.role,
          granted_by: [...by.granted_by],
          ...bound,
          reason,
        },
      },
    ],
  };
}

export function withdrawPromotion(
  request: PromotionRequest,
  { asker, at, reason }: CommandOf<'WithdrawPromotion'>,
): Outcome {
  if (request.state === 'withdrawn') return { events: [] };
  if (request.state !== 'open' || at >= request.expires_at)
    return {
      refusal: {
        code: 'promotion_ended',
        promotion_request_id: request.promotion_request_id,
        state: progressAt(request, at),
      },
    };
  const isOwn = asker.subject === request.requested_by.subject;
  if (!isOwn && asker.role !== 'admin' && asker.role !== 'system_admin')
    return {
      refusal: { code: 'forbidden', required_role: ['admin'], because: 'not_the_requester' },
    };
  return { events: [{ type: 'promotion.withdrawn', data: { ...refOf(request), reason } }] };
}

/** Looks at a request again: its time may be over, what it rests on may have changed, or it is agreed to and can be executed, or not any more. */
export function settlePromotion(
  state: ModelState,
  request: PromotionRequest,
  command: CommandOf<'SettlePromotion'>,
): Outcome {
  if (request.state !== 'open') return { events: [] };
  const ended = ending(state, request, command);
  if (ended !== null) return { events: [ended] };
  const to = request.to_stage === 'staging' ? 'staging' : 'production';
  const counted = countedApprovals(state, request, command.in_force);
  const isAgreed = counted.length >= approvalsRequired(command.in_force, to);
  if (!isAgreed || state.model!.state !== 'active') return { events: [] };
  const version = state.versions.get(request.number)!;
  if (climb(state, version, to) !== null) return { events: [staled(request, 'stage_changed')] };
  const how = { break_glass: false, automated: true };
  const granted = grantFor(state, version, to, command, how);
  if (granted.refusal !== undefined)
    return {
      events: [
        granted.refusal.code === 'gates_failed'
          ? staled(request, 'gate_failed', [...granted.refusal.failed_gates])
          : staled(request, 'policy_changed'),
      ],
    };
  // it can be executed, and waits for somebody who does
  if (!request.auto_execute) return { events: [] };
  return {
    events: promotion(
      state,
      version,
      to,
      { ...command, reason: request.reason },
      false,
      granted.grant,
    ),
  };
}

/** Why an event on a version, or on its model, ends the requests for it; null where it does not. */
function staledBy(event: ModelEvent, request: PromotionRequest): StaleCause | null {
  const isOfVersion = 'number' in event.data && event.data.number === request.number;
  switch (event.type) {
    case 'model.updated':
      return ['team', 'project'].some((field) => Object.hasOwn(event.data.changed, field))
        ? 'scope_changed'
        : null;
    case 'version.updated': {
      if (!isOfVersion) return null;
      const fields = Object.keys(event.data.changed);
      if (fields.includes('content_digest')) return 'content_changed';
      return fields.some((field) => evidenceFields.has(field)) ? 'evidence_changed' : null;
    }
    case 'version.testing_started':
    case 'version.approved':
    case 'version.rejected':
    case 'version.approval_revoked':
      return isOfVersion ? 'evidence_changed' : null;
    case 'model.promoted': {
      const { to_stage, promotion_request_id } = event.data;
      if (!isOfVersion || promotion_request_id === request.promotion_request_id) return null;
      return to_stage === request.to_stage || to_stage === 'production' ? 'stage_changed' : null;
    }
    case 'version.deprecated':
      // only the announced end has moved
      if (event.data.from_stage === 'deprecated') return null;
      return isOfVersion ? 'stage_changed' : null;
    case 'version.demoted':
    case 'version.restored':
    case 'version.superseded':
    case 'version.deleted':
    case 'model.archived':
      return isOfVersion ? 'stage_changed' : null;
    case 'model.registered':
    case 'model.renamed':
    case 'model.deactivated':
    case 'model.reactivated':
    case 'model.deleted':
    case 'model.restored':
    case 'model.versioned':
    case 'model.deployed':
    case 'version.activated':
    case 'version.deactivated':
    case 'alias.set':
    case 'alias.removed':
    case 'default.changed':
    case 'hold.placed':
    case 'hold.released':
    case 'retention.applied':
    case 'alert.raised':
    case 'alert.cleared':
    case 'promotion.requested':
    case 'promotion.decided':
    case 'promotion.staled':
    case 'promotion.expired':
    case 'promotion.withdrawn':
    case 'binding.created':
    case 'binding.updated':
    case 'binding.activated':
    case 'binding.deactivated':
    case 'binding.deprecated':
    case 'binding.removed':
    case 'deployment.requested':
    case 'deployment.started':
    case 'deployment.failed':
    case 'deployment.rolled_back':
    case 'deployment.superseded':
    case 'deployment.undeployed':
    case 'deployment.traffic_shifted':
      return null;
  }
}

/** The events with those that end the requests which no longer stand after them, in the same append. */
export function withStaledRequests(
  state: ModelState,
  events: readonly ModelEvent[],
): readonly ModelEvent[] {
  if (state.promotionRequests.size === 0 || events.length === 0) return events;
  const ends: ModelEvent[] = [];
  for (const request of state.promotionRequests.values()) {
    if (request.state !== 'open') continue;
    for (const event of events) {
      const because = staledBy(event, request);
      if (because === null) continue;
      ends.push(staled(request, because));
      break;
    }
  }
  return ends.length === 0 ? events : [...events, ...ends];
}
