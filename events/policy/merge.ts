// How the policies of tenant, project and model become the one in force: field by field, the narrower only tightening.
import { canonicalJson, digestOf } from '../digest.ts';
import { openPolicy, policyFields, presets } from './policy.ts';
import type { OwnPolicy, Policy, PolicyField, PolicyInForce, PolicyScope } from './policy.ts';
import { inFull, longer } from './retention.ts';
import type { Retention } from './retention.ts';

/** What one scope says, and at which version of its stream. */
export type PolicyLayer = { scope: PolicyScope; version: number; own: OwnPolicy };

/** Where the value of a field comes from: a scope that set or tightened it, or the preset of a new tenant. */
type PolicySource = PolicyScope | 'preset:open';
export type PolicySources = Record<PolicyField, readonly PolicySource[]>;

/** Each item once, where it comes first; a list of a policy is a set that keeps its order. */
export const unrepeated = <Item>(items: readonly Item[]): readonly Item[] => {
  const seen = new Map<string, Item>();
  for (const item of items) {
    const key = canonicalJson(item);
    if (!seen.has(key)) seen.set(key, item);
  }
  return [...seen.values()];
};

const union = <Item>(left: readonly Item[], right: readonly Item[]): readonly Item[] =>
  unrepeated([...left, ...right]);

/** From the loosest to the strictest: what is displaced stays in production, or leaves it ever further. */
const supersedingByStrictness = ['keep', 'staging', 'deprecated', 'retire'] as const;
const stricterOf = <Value>(order: readonly Value[], left: Value, right: Value): Value =>
  order.indexOf(left) >= order.indexOf(right) ? left : right;

/** For each field the strictest value that keeps to both. */
const tighten: {
  [Field in PolicyField]: (left: Policy[Field], right: Policy[Field]) => Policy[Field];
} = {
  allow_skip: (left, right) => left && right,
  multi_production: (left, right) => left && right,
  single_active: (left, right) => left || right,
  evidence_required: (left, right) => left || right,
  approvals: (left, right) => ({
    required: Math.max(left.required, right.required),
    role: stricterOf(['approver', 'admin'], left.role, right.role),
    expires_after_hours: Math.min(left.expires_after_hours, right.expires_after_hours),
  }),
  gates: union,
  protected_environments: union,
  protected_pointers: union,
  on_superseded: (left, right) => stricterOf(supersedingByStrictness, left, right),
  break_glass: (left, right) => (left === 'forbidden' ? left : right),
  retention: longer,
};

const sameValue = (left: unknown, right: unknown): boolean =>
  canonicalJson(left) === canonicalJson(right);

/** Whether a value keeps to a bound: tightening it by the bound adds nothing to it; of a list the order does not count. */
export function keepsTo<Field extends PolicyField>(
  field: Field,
  bound: Policy[Field],
  value: Policy[Field],
): boolean {
  const both = tighten[field](bound, value);
  return Array.isArray(both)
    ? both.length === unrepeated(value as readonly unknown[]).length
    : sameValue(both, value);
}

/** Whether under `after` everything is forbidden that was forbidden under `before`. */
export const isAsTight = (before: Policy, after: Policy): boolean =>
  policyFields.every((field) => keepsTo(field, before[field] as never, after[field] as never));

/** The fields of a policy that say what a promotion asks for and does: what approvals are given under. */
const promotionFieldsOf = (policy: Policy): object => ({
  allow_skip: policy.allow_skip,
  multi_production: policy.multi_production,
  evidence_required: policy.evidence_required,
  approvals: policy.approvals,
  gates: policy.gates,
  on_superseded: policy.on_superseded,
});

const promotionDigestOf = (policy: Policy): string => digestOf(promotionFieldsOf(policy));

/** The digest of what promotions are asked where no policy was ever set. */
export const openPromotionDigest = promotionDigestOf(openPolicy.policy);

/** What a scope says of a field, in full; undefined where it says nothing. */
export function saidOf<Field extends PolicyField>(
  own: OwnPolicy,
  field: Field,
  without: Policy[Field],
): Policy[Field] | undefined {
  if (field !== 'retention') return own[field] as Policy[Field] | undefined;
  return own.retention && (inFull(own.retention, without as Retention) as Policy[Field]);
}

/** Merges one field; returns its value, who made it so, and what binds the scopes below. */
function mergeField<Field extends PolicyField>(
  field: Field,
  layers: readonly PolicyLayer[],
  registry: Retention,
): { value: Policy[Field]; sources: readonly PolicySource[]; bound: Policy[Field] | undefined } {
  let value: Policy[Field] = standing(registry)[field];
  let sources: readonly PolicySource[] = ['preset:open'];
  let bound: Policy[Field] | undefined;
  for (const { scope, own } of layers) {
    const said = saidOf(own, field, value);
    if (said !== undefined) {
      const next = bound === undefined ? said : tighten[field](bound, said);
      if (bound === undefined) sources = [scope];
      else if (!sameValue(next, value))
        sources = sameValue(next, said) ? [scope] : [...sources, scope];
      value = next;
    }
    const letsGo = own.may_override?.includes(field) ?? false;
    // the widest scope always says something: the preset of a new tenant, where it says nothing else
    if (!letsGo && (said !== undefined || scope === 'tenant')) bound = value;
  }
  return { value, sources, bound };
}

/** What is in force where no scope says anything. */
const standing = (registry: Retention): Policy => ({ ...presets.open, retention: registry });

const { retention: registryKeeps } = openPolicy.policy;

/**
 * The policy in force where these layers apply, the widest first.
 * What a layer says binds those below it, unless it names the field in `may_override`; it never frees them of a wider bound.
 * @param registry what is kept where no layer says otherwise
 */
export function mergePolicies(
  layers: readonly PolicyLayer[],
  registry: Retention = registryKeeps,
): {
  policy: Policy;
  sources: PolicySources;
} {
  const merged = policyFields.map((field) => [field, mergeField(field, layers, registry)] as const);
  return {
    policy: Object.fromEntries(
      merged.map(([field, { value }]) => [field, value]),
    ) as unknown as Policy,
    sources: Object.fromEntries(
      merged.map(([field, { sources }]) => [field, sources]),
    ) as PolicySources,
  };
}

/** What the layers bind a narrower scope to; a field that it may override freely is absent. */
export function boundsOf(
  layers: readonly PolicyLayer[],
  registry: Retention = registryKeeps,
): Partial<Policy> {
  const bounds: [PolicyField, unknown][] = [];
  for (const field of policyFields) {
    const { bound } = mergeField(field, layers, registry);
    if (bound !== undefined) bounds.push([field, bound]);
  }
  return Object.fromEntries(bounds);
}

/** What a decision is told: the policy, and the streams it was merged from. No reference where none was ever set. */
export function inForce(
  layers: readonly PolicyLayer[],
  registry: Retention = registryKeeps,
): PolicyInForce {
  if (layers.every(({ version }) => version === 0))
    return { policy: standing(registry), ref: null };
  const { policy } = mergePolicies(layers, registry);
  return {
    policy,
    ref: {
      scopes: layers.map(({ scope }) => scope),
      versions: layers.map(({ version }) => version),
      digest: promotionDigestOf(policy),
    },
  };
}
