// Every way in which a rule says no, as the types have it: the compiler sees to it that none is missing.
import type { ModelRefusal } from '#events/model/commands.ts';
import type { PolicyRefusal } from '#events/policy/scope.ts';
import type { TenantRefusal } from '#events/tenant/tenant.ts';

const ofModels: Record<ModelRefusal['code'], true> = {
  alias_not_found: true,
  approvals_missing: true,
  artifact_unusable: true,
  binding_not_found: true,
  break_glass_forbidden: true,
  deployment_not_found: true,
  digest_required: true,
  environment_protected: true,
  forbidden: true,
  gates_failed: true,
  hold_not_found: true,
  illegal_transition: true,
  immutable: true,
  in_use: true,
  label_not_its_number: true,
  model_inactive: true,
  model_not_found: true,
  name_taken: true,
  never_in_production: true,
  not_deployed: true,
  not_independent: true,
  not_ready: true,
  nothing_to_roll_back_to: true,
  pointer_protected: true,
  policy_moved: true,
  promotion_ended: true,
  promotion_not_found: true,
  promotion_open: true,
  reason_required: true,
  rollback_unsafe: true,
  skip_not_allowed: true,
  time_in_future: true,
  time_in_past: true,
  too_many_aliases: true,
  too_many_holds: true,
  traffic_invalid: true,
  version_exists: true,
  version_not_found: true,
  version_retired: true,
};

const ofPolicies: Record<PolicyRefusal['code'], true> = {
  keep_needs_multi_production: true,
  loosening_forbidden: true,
  policy_bound: true,
};

const ofTenants: Record<TenantRefusal['code'], true> = {
  forbidden: true,
  granted_to_self: true,
  key_not_found: true,
  last_admin_key: true,
  role_above_own: true,
  role_binding_not_found: true,
  tenant_exists: true,
  tenant_not_found: true,
  time_in_past: true,
  too_many_bindings: true,
};

export const refusalCodes = Object.keys(ofModels) as ModelRefusal['code'][];
export const allRefusalCodes: readonly string[] = [
  ...new Set([ofModels, ofPolicies, ofTenants].flatMap((codes) => Object.keys(codes))),
];
