// What can happen to a promotion request. That it was executed is said by `model.promoted`. Add, never edit.
import { z } from 'zod';
import {
  contentDigest,
  count,
  gateResult,
  nullableText,
  policyRef,
  promotionRef,
  stage,
  text,
} from './shapes.ts';

/** What the approvals will be bound to: these bytes, this evidence, this policy. */
const requested = z.object({
  ...promotionRef,
  from_stage: stage,
  to_stage: stage,
  content_digest: contentDigest.nullable(),
  evidence_digest: text,
  policy_ref: policyRef,
  approvals_required: count,
  /** The gates as they stood when it was asked; they are measured again at execution. */
  gates: z.array(gateResult),
  auto_execute: z.boolean(),
  expires_at: text,
  reason: nullableText,
});
/** `granted_by`: the subjects who issued the key or the role that was acted with, and through whose hands theirs came. */
const decided = z.object({
  ...promotionRef,
  decision: z.enum(['approve', 'reject']),
  role: text,
  granted_by: z.array(text),
  content_digest: contentDigest.nullable(),
  evidence_digest: text,
  policy_digest: text,
  reason: nullableText,
});
const staled = z.object({
  ...promotionRef,
  because: z.enum([
    'content_changed',
    'evidence_changed',
    'policy_changed',
    'gate_failed',
    'stage_changed',
    'scope_changed',
  ]),
  gates: z.array(gateResult),
  reason: nullableText,
});
const expired = z.object({ ...promotionRef, expires_at: text });
const withdrawn = z.object({ ...promotionRef, reason: nullableText });

export const promotionEvents = {
  'promotion.requested': { schema_version: 1, data: requested },
  'promotion.decided': { schema_version: 1, data: decided },
  'promotion.staled': { schema_version: 1, data: staled },
  'promotion.expired': { schema_version: 1, data: expired },
  'promotion.withdrawn': { schema_version: 1, data: withdrawn },
} as const;
