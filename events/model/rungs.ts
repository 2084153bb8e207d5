// What a rung of the ladder asks for, as the policy in force says, and what lets a version onto it nonetheless.
import { openPromotionDigest } from '../policy/merge.ts';
import type { PolicyInForce } from '../policy/policy.ts';
import type { Common, ModelRefusal } from './commands.ts';
import { evidenceDigestOf } from './evidence.ts';
import type { Judged } from './evidence.ts';
import type { ModelEventData } from './events.ts';
import { whyApprovalDoesNotCount } from './four-eyes.ts';
import { failedOf, measureGates } from './gates.ts';
import type { GateResult } from './gates.ts';
import type { PromotionDecision, PromotionRequest } from './promotion-row.ts';
import type { ModelState } from './state.ts';

type Promoted = ModelEventData<'model.promoted'>;
type Target = 'staging' | 'production';

/** What a promotion rests on, as `model.promoted` records it. */
export type Grant = Pick<
  Promoted,
  'mode' | 'promotion_request_id' | 'approvals' | 'gates' | 'policy_ref' | 'evidence_digest'
>;

/** Where no policy was ever set, nothing is asked and nothing needs to be recorded of it. */
export const openGrant = ({ stage }: Pick<Judged, 'stage'>): Grant => ({
  mode: stage === 'deprecated' ? 'reinstate' : 'normal',
  promotion_request_id: null,
  approvals: [],
  gates: [],
  policy_ref: null,
  evidence_digest: null,
});

/** Approvals are asked for the way to production, and for no other. */
export const approvalsRequired = ({ policy }: PolicyInForce, to: Target): number =>
  to === 'production' ? policy.approvals.required : 0;

export const gatesAsked = (
  state: ModelState,
  version: Judged,
  to: Target,
  { policy }: PolicyInForce,
  at: string,
): GateResult[] => (to === 'production' ? measureGates(state, version, policy.gates, at) : []);

/** What nothing skips: the bytes are known where policy asks for it, and nobody has shut them away. */
function bytesRefusal(version: Judged, to: Target, inForce: PolicyInForce): ModelRefusal | null {
  const { artifact, facts } = version;
  if (artifact === 'quarantined' || artifact === 'purged')
    return { code: 'artifact_unusable', number: facts.number, artifact };
  const asksDigest = inForce.policy.evidence_required;
  const digest = facts.content_digest;
  const missing: ('content_digest' | 'artifact_uri')[] = [];
  if (
    (asksDigest || approvalsRequired(inForce, to) > 0) &&
    (digest?.sha256 ?? digest?.blake3 ?? null) === null
  )
    missing.push('content_digest');
  // a declared digest is of something that somebody can fetch; computed ones are of bytes that are here
  if (asksDigest && artifact !== 'available' && facts.artifact_uri === null)
    missing.push('artifact_uri');
  return missing.length === 0
    ? null
    : { code: 'digest_required', number: facts.number, to_stage: to, missing };
}

/** What a rung asks for beside approvals; null where the version may go on. */
export function rungRefusal(
  version: Judged,
  to: Target,
  inForce: PolicyInForce,
  gates: readonly GateResult[],
): ModelRefusal | null {
  const { policy } = inForce;
  const { number } = version.facts;
  if (version.rung === 'development' && to === 'production' && !policy.allow_skip)
    return {
      code: 'skip_not_allowed',
      number,
      from: version.stage,
      to,
      legal_transitions: ['staging'],
    };
  const bytes = bytesRefusal(version, to, inForce);
  if (bytes !== null) return bytes;
  if (to === 'production' && policy.evidence_required && version.readiness !== 'approved')
    return { code: 'not_ready', number, readiness: version.readiness, required: 'approved' };
  const failed = failedOf(gates);
  return failed.length === 0 ? null : { code: 'gates_failed', number, failed_gates: failed };
}

/** What approvals must have been given for, to count now. */
export type Bound = Pick<PromotionDecision, 'content_digest' | 'evidence_digest' | 'policy_digest'>;

const noPolicy = 'none';
export const boundTo = (version: Judged, { ref }: PolicyInForce): Bound => ({
  content_digest: version.facts.content_digest,
  evidence_digest: evidenceDigestOf(version),
  policy_digest: ref?.digest ?? noPolicy,
});

/** The first policy of all changes nothing for a promotion of which it asks the same as none. */
const rulesOf = (digest: string): string => (digest === noPolicy ? openPromotionDigest : digest);

const sameBytes = (left: Bound['content_digest'], right: Bound['content_digest']): boolean =>
  left?.sha256 === right?.sha256 && left?.blake3 === right?.blake3;

/** Which of the three has changed since; null if none has. */
export function changedSince(
  then: Bound,
  now: Bound,
): ModelEventData<'promotion.staled'>['because'] | null {
  if (!sameBytes(then.content_digest, now.content_digest)) return 'content_changed';
  if (then.evidence_digest !== now.evidence_digest) return 'evidence_changed';
  return rulesOf(then.policy_digest) === rulesOf(now.policy_digest) ? null : 'policy_changed';
}

/** The approvals that count now: independent, for these bytes, this evidence and this policy. */
export function countedApprovals(
  state: ModelState,
  request: PromotionRequest,
  inForce: PolicyInForce,
): PromotionDecision[] {
  const version = state.versions.get(request.number)!;
  const now = boundTo(version, inForce);
  return request.decisions.filter(
    (decision) =>
      decision.decision === 'approve' &&
      changedSince(decision, now) === null &&
      whyApprovalDoesNotCount(
        { ...decision.actor, granted_by: decision.granted_by },
        request.requested_by,
        version,
      ) === null,
  );
}

const shownApproval = ({ actor, role, event_id, decided_at, reason }: PromotionDecision) => ({
  subject: actor.subject,
  role,
  event_id,
  decided_at,
  reason,
});

/** The live request of a version for a stage, or null. Its time may be over; that is for the caller to see. */
export function liveRequest(
  state: ModelState,
  number: number,
  to: Target,
): PromotionRequest | null {
  for (const request of state.promotionRequests.values())
    if (request.state === 'open' && request.number === number && request.to_stage === to)
      return request;
  return null;
}

/**
 * Whether a promotion may happen now, and what it rests on.
 * @param automated it is executed for a request, by the policy's own hand
 */
export function grantFor(
  state: ModelState,
  version: Judged,
  to: Target,
  common: Pick<Common, 'at' | 'in_force' | 'asker' | 'reason'>,
  how: { break_glass: boolean; automated: boolean },
): { grant: Grant; refusal?: undefined } | { grant?: undefined; refusal: ModelRefusal } {
  const { in_force, at } = common;
  const { policy, ref } = in_force;
  if (ref === null && !how.break_glass && version.artifact === 'none') {
    const request =
      state.promotionRequests.size === 0 ? null : liveRequest(state, version.facts.number, to);
    if (request === null) return { grant: openGrant(version) };
  }
  const gates = gatesAsked(state, version, to, in_force, at);
  const grant: Grant = {
    ...openGrant(version),
    gates,
    policy_ref: ref,
    evidence_digest: evidenceDigestOf(version),
  };
  if (how.break_glass) return brokenGlass(version, to, common, grant);
  const refusal = rungRefusal(version, to, in_force, gates);
  if (refusal !== null) return { refusal };
  const request = liveRequest(state, version.facts.number, to);
  const isLive = request !== null && at < request.expires_at;
  const approvals = isLive ? countedApprovals(state, request, in_force) : [];
  const missing = approvalsRequired(in_force, to) - approvals.length;
  if (missing > 0)
    return {
      refusal: {
        code: 'approvals_missing',
        number: version.facts.number,
        missing_approvals: missing,
        required_role: policy.approvals.role,
        promotion_request_id: isLive ? request.promotion_request_id : null,
      },
    };
  return {
    grant: {
      ...grant,
      ...(how.automated && { mode: 'automated' }),
      promotion_request_id: isLive ? request.promotion_request_id : null,
      approvals: approvals.map(shownApproval),
    },
  };
}

/** An admin goes past gates and approvals, with a reason; never past the bytes. */
function brokenGlass(
  version: Judged,
  to: Target,
  { asker, reason, in_force }: Pick<Common, 'in_force' | 'asker' | 'reason'>,
  grant: Grant,
): ReturnType<typeof grantFor> {
  if (in_force.policy.break_glass === 'forbidden')
    return { refusal: { code: 'break_glass_forbidden', scopes: in_force.ref?.scopes ?? [] } };
  if (asker.role !== 'admin' && asker.role !== 'system_admin')
    return { refusal: { code: 'forbidden', required_role: ['admin'], because: 'break_glass' } };
  if (reason === null || reason.trim() === '') return { refusal: { code: 'reason_required' } };
  const bytes = bytesRefusal(version, to, in_force);
  return bytes === null ? { grant: { ...grant, mode: 'break_glass' } } : { refusal: bytes };
}
