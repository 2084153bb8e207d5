// What callers may say of a policy, parsed once at the edge.
import { z } from 'zod';
import { splits } from '#events/model/shapes.ts';
import { pointers, policyFields, presets } from '#events/policy/policy.ts';
import type { Preset } from '#events/policy/policy.ts';
import { ageDaysMin, newestKeptMax, newestKeptMin } from '#events/policy/retention.ts';
import { prose, word } from './fields.ts';

const gatesMax = 64;
const environmentsMax = 256;
const approvalsMax = 20;
/** Ten years. */
const hoursMax = 87_600;
const daysMax = 36_500;

const split = z.enum(splits).nullable().default(null);
const gate = z.discriminatedUnion('gate', [
  z.strictObject({
    gate: z.literal('metric'),
    name: word,
    split,
    operator: z.enum(['>=', '>', '<=', '<', '==']),
    threshold: z.number(),
  }),
  z.strictObject({
    gate: z.literal('beats_production'),
    name: word,
    split,
    better: z.enum(['higher', 'lower']).default('higher'),
    by_at_least: z.number().nonnegative().default(0),
  }),
  z.strictObject({ gate: z.literal('artifact_verified') }),
  z.strictObject({ gate: z.literal('has_release_notes') }),
  z.strictObject({ gate: z.literal('has_signature') }),
  z.strictObject({ gate: z.literal('has_lineage') }),
  z.strictObject({ gate: z.literal('slo_ok') }),
  z.strictObject({ gate: z.literal('cost_per_1k_max'), threshold: z.number().nonnegative() }),
  z.strictObject({ gate: z.literal('evaluated_within_days'), days: z.int().min(1).max(daysMax) }),
]);

const age = z.int().min(ageDaysMin).max(daysMax).nullish();
/** null takes a part back. */
const retention = z.strictObject({
  age_days: z
    .strictObject({ development: age, staging: age, deprecated: age, retired: age, archived: age })
    .nullish(),
  newest_kept: z.int().min(newestKeptMin).max(newestKeptMax).nullish(),
});

/** null takes a field back, so that the scope says nothing of it. */
export const policyBody = z.strictObject({
  preset: z.enum(Object.keys(presets) as [Preset, ...Preset[]]).optional(),
  allow_skip: z.boolean().nullish(),
  multi_production: z.boolean().nullish(),
  single_active: z.boolean().nullish(),
  evidence_required: z.boolean().nullish(),
  approvals: z
    .strictObject({
      required: z.int().min(0).max(approvalsMax).optional(),
      role: z.enum(['approver', 'admin']).optional(),
      expires_after_hours: z.int().min(1).max(hoursMax).optional(),
    })
    .nullish(),
  gates: z.array(gate).max(gatesMax).nullish(),
  protected_environments: z.array(word).max(environmentsMax).nullish(),
  protected_pointers: z.array(z.enum(pointers)).max(pointers.length).nullish(),
  on_superseded: z.enum(['retire', 'deprecated', 'staging', 'keep']).nullish(),
  break_glass: z.enum(['allowed', 'forbidden']).nullish(),
  retention: retention.nullish(),
  may_override: z.array(z.enum(policyFields)).max(policyFields.length).nullish(),
  reason: prose.nullish(),
});
/** How long versions stay, alone. */
export const retentionPolicyBody = retention.extend({ reason: prose.nullish() });
