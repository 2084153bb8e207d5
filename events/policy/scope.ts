// The policy of one scope: what is true, what can be asked, and what follows.
import { assert } from '../decider.ts';
import type { Decider, Decision } from '../decider.ts';
import { canonicalJson } from '../digest.ts';
import type { Actor } from '../envelope.ts';
import type { PolicyEvent, PolicyEventData, RecordedPolicyEvent } from './events.ts';
import { boundsOf, isAsTight, keepsTo, mergePolicies, saidOf, unrepeated } from './merge.ts';
import type { PolicyLayer } from './merge.ts';
import { policyFields, presets } from './policy.ts';
import type { OwnPolicy, Policy, PolicyField, PolicyScope, Preset } from './policy.ts';
import { patchedRetention } from './retention.ts';
import type { OwnRetention, Retention, RetentionPatch } from './retention.ts';

/** What a scope says for itself, and who said it last. Version 0: nothing was ever said. */
export type PolicyState = {
  stream_version: number;
  own: OwnPolicy;
  updated_at: string | null;
  updated_by: Actor | null;
  position: number;
};

/** New values; null resets a field, so that the scope says nothing of it. `approvals` and `retention` merge by their parts. */
export type PolicyPatch = {
  [Field in Exclude<keyof OwnPolicy, 'approvals' | 'retention'>]?:
    | OwnPolicy[Field]
    | null
    | undefined;
} & {
  retention?: RetentionPatch | null | undefined;
  approvals?:
    | { [Part in keyof Policy['approvals']]?: Policy['approvals'][Part] | undefined }
    | null
    | undefined;
};

export type PolicyCommand = {
  type: 'SetPolicy';
  scope: PolicyScope;
  /** Writes every field as the preset says; what `patch` names goes before. */
  preset: Preset | null;
  patch: PolicyPatch;
  /** What the wider scopes say, the widest first. */
  wider: readonly PolicyLayer[];
  /** What is kept where no scope says otherwise. */
  registry: Retention;
  /** Only an admin of the tenant may loosen. */
  by_admin_of_tenant: boolean;
  reason: string | null;
};

export type PolicyRefusal =
  | { code: 'policy_bound'; fields: readonly PolicyField[]; bounds: Partial<Policy> }
  | { code: 'loosening_forbidden'; required_role: 'admin'; scope: 'tenant' }
  | { code: 'keep_needs_multi_production' };

const ownFields = [...policyFields, 'may_override'] as const;

/** @param wide what is in force in the wider scopes: parts of approvals that nobody names are as they are there */
function patched(own: OwnPolicy, { preset, patch }: PolicyCommand, wide: Policy): OwnPolicy {
  const next: Record<string, unknown> = { ...own, ...(preset !== null && presets[preset]) };
  for (const field of ownFields) {
    const said = patch[field];
    if (said === undefined) continue;
    if (said === null) delete next[field];
    else if (field === 'approvals')
      next[field] = {
        ...wide.approvals,
        ...(next[field] as object | undefined),
        ...(said as object),
      };
    else if (field === 'retention') {
      const kept = patchedRetention(own.retention, said as RetentionPatch);
      if (kept === undefined) delete next[field];
      else next[field] = kept satisfies OwnRetention;
    } else next[field] = Array.isArray(said) ? unrepeated(said) : said;
  }
  return next;
}

/**
 * What is held to the wider scopes of what is said now. Of a preset that is what tells it from the others: what all of them say the
 * same is no word against a wider scope, which binds it anyway.
 */
function saidNow({ preset, patch }: PolicyCommand): PolicyPatch {
  if (preset === null) return patch;
  const { allow_skip, evidence_required, approvals } = presets[preset];
  const { required } = approvals;
  return {
    allow_skip,
    evidence_required,
    ...patch,
    approvals: patch.approvals === null ? null : { required, ...patch.approvals },
  };
}

/** A field as it is said now, in full; undefined where nothing is. What was said before is not held against who says another part. */
function fieldNow<Field extends PolicyField>(
  field: Field,
  said: PolicyPatch,
  next: OwnPolicy,
  bound: Policy[Field],
): Policy[Field] | undefined {
  if (said[field] === undefined || said[field] === null) return undefined;
  return field === 'approvals'
    ? ({ ...(bound as object), ...said.approvals } as Policy[Field])
    : saidOf(next, field, bound);
}

function setPolicy(
  state: PolicyState,
  command: PolicyCommand,
): Decision<PolicyEvent, PolicyRefusal> {
  const { scope, wider, registry } = command;
  const next = patched(state.own, command, mergePolicies(wider, registry).policy);
  const changed: PolicyEventData<'policy.set'>['changed'] = {};
  const previous: PolicyEventData<'policy.set'>['previous'] = {};
  for (const field of ownFields) {
    const [before, after] = [state.own[field] ?? null, next[field] ?? null];
    if (canonicalJson(before) === canonicalJson(after)) continue;
    changed[field] = after as (typeof changed)[string];
    previous[field] = before as (typeof previous)[string];
  }
  if (Object.keys(changed).length === 0) return { events: [] };
  const bounds: Partial<Policy> = scope === 'tenant' ? {} : boundsOf(wider, registry);
  const said = saidNow(command);
  // lists are joined with those of the wider scopes, so that only a single value can fall short
  const beyond = policyFields.filter((field) => {
    const bound = bounds[field];
    if (bound === undefined) return false;
    const value = fieldNow(field, said, next, bound);
    return value !== undefined && !Array.isArray(value) && !keepsTo(field, bound, value);
  });
  if (beyond.length > 0)
    return {
      refusal: {
        code: 'policy_bound',
        fields: beyond,
        bounds: Object.fromEntries(beyond.map((field) => [field, bounds[field]])),
      },
    };
  const layerOf = (own: OwnPolicy): PolicyLayer => ({ scope, version: state.stream_version, own });
  const before = mergePolicies([...wider, layerOf(state.own)], registry).policy;
  const after = mergePolicies([...wider, layerOf(next)], registry).policy;
  if (after.on_superseded === 'keep' && !after.multi_production)
    return { refusal: { code: 'keep_needs_multi_production' } };
  const letsGoMore = (next.may_override ?? []).some(
    (field) => !(state.own.may_override ?? []).includes(field),
  );
  const loosens = letsGoMore || !isAsTight(before, after);
  if (loosens && !command.by_admin_of_tenant)
    return { refusal: { code: 'loosening_forbidden', required_role: 'admin', scope: 'tenant' } };
  const { preset, reason } = command;
  return {
    events: [{ type: 'policy.set', data: { scope, preset, changed, previous, loosens, reason } }],
  };
}

function evolve(state: PolicyState, event: RecordedPolicyEvent): PolicyState {
  assert(
    event.stream_version === state.stream_version + 1,
    `${event.stream} is at ${state.stream_version}`,
  );
  const own: Record<string, unknown> = { ...state.own };
  for (const [field, value] of Object.entries(event.data.changed))
    if (value === null) delete own[field];
    else own[field] = value;
  state.own = own;
  state.stream_version = event.stream_version;
  state.updated_at = event.recorded_at;
  state.updated_by = event.actor;
  state.position = event.position;
  return state;
}

export const policyDecider: Decider<PolicyState, PolicyCommand, PolicyEvent, PolicyRefusal> = {
  initial: () => ({
    stream_version: 0,
    own: {},
    updated_at: null,
    updated_by: null,
    position: 0,
  }),
  decide: setPolicy,
  evolve,
  fork: (state) => ({ ...state }),
};
