// A tenant, its keys and who holds which role where: what is true, what can be asked, and what follows.
import { covers, may, mayIssue, mayRevoke } from '../access.ts';
import type { BoundRole, Grant, Permission, Role, Scope } from '../access.ts';
import { assert } from '../decider.ts';
import type { Decider, Decision } from '../decider.ts';
import type { Actor } from '../envelope.ts';
import type { Hand } from './hands.ts';
import type { RecordedTenantEvent, TenantEvent, TenantEventData } from './events.ts';

/** A subject holds at most this many roles by bindings; each is looked at whenever the subject asks. */
export const bindingsOfSubjectMax = 100;

/** What is known of a key beside its secret. */
export type ApiKey = TenantEventData<'api_key.issued'> & {
  issued_at: string;
  issued_by: string;
  hand: Hand;
  revoked_at: string | null;
};

/** A role that a subject holds in a scope until it is revoked. */
export type RoleBinding = TenantEventData<'role.granted'> & {
  granted_at: string;
  granted_by: string;
  hand: Hand;
};

export type TenantState = {
  stream_version: number;
  created: boolean;
  keys: Map<string, ApiKey>;
  /** Those in force, by `bindingKey`. */
  bindings: Map<string, RoleBinding>;
};

/** Who gives or takes: the subject, the key in use if there is one, and what it or the token gives by itself. */
export type Giver = { subject: string; key_id: string | null; own: readonly Grant[] };

type NewKey = TenantEventData<'api_key.issued'>;
type Binding = { subject: string; role: BoundRole; scope: Scope };

export type TenantCommand =
  | {
      type: 'CreateTenant';
      tenant_id: string;
      name: string;
      /** The key of its first admin, without which nobody could ask anything of it; null for the registry's own tenant. */
      first_key: NewKey | null;
    }
  /** `by` is null where the registry itself issues or revokes. */
  | ({ type: 'IssueApiKey'; at: string; by: Giver | null } & NewKey)
  | { type: 'RevokeApiKey'; at: string; by: Giver | null; key_id: string; reason: string | null }
  | ({ type: 'GrantRole'; by: Giver } & Binding)
  | ({ type: 'RevokeRole'; by: Giver; reason: string | null } & Binding);

export type TenantRefusal =
  | { code: 'key_not_found'; key_id: string }
  | { code: 'last_admin_key'; key_id: string }
  | { code: 'tenant_not_found' }
  | { code: 'tenant_exists'; id: string }
  | { code: 'role_above_own'; role: Role; own_roles: readonly Role[] }
  | { code: 'granted_to_self'; subject: string }
  | { code: 'time_in_past'; field: 'expires_at'; value: string }
  | { code: 'forbidden'; required_permission: Permission; scope: Scope }
  | { code: 'role_binding_not_found'; subject: string; role: Role; scope: Scope }
  | { code: 'too_many_bindings'; subject: string; limit: number };

type Outcome = Decision<TenantEvent, TenantRefusal>;

export const bindingKey = ({ subject, role, scope }: Binding): string =>
  JSON.stringify([subject, role, scope]);

/** The roles that somebody holds for everything in a scope. */
function heldIn(state: TenantState, { subject, own }: Giver, scope: Scope): Role[] {
  const bound = [...state.bindings.values()].filter((binding) => binding.subject === subject);
  return [...own, ...bound]
    .filter((grant) => grant.scope === 'tenant' || grant.scope === scope)
    .map(({ role }) => role);
}

/** Why somebody may not give or take this role there, or null. */
function refusalOf(
  state: TenantState,
  by: Giver,
  { role, scope }: Pick<Binding, 'role' | 'scope'>,
): TenantRefusal | null {
  const held = heldIn(state, by, scope);
  if (!held.some((own) => may(own, 'role:manage')))
    return { code: 'forbidden', required_permission: 'role:manage', scope };
  return covers(held, role) ? null : { code: 'role_above_own', role, own_roles: held };
}

function grantRole(
  state: TenantState,
  { subject, role, scope, by }: Extract<TenantCommand, { type: 'GrantRole' }>,
): Outcome {
  if (by.subject === subject) return { refusal: { code: 'granted_to_self', subject } };
  const refusal = refusalOf(state, by, { role, scope });
  if (refusal !== null) return { refusal };
  if (state.bindings.has(bindingKey({ subject, role, scope }))) return { events: [] };
  let held = 0;
  for (const binding of state.bindings.values()) if (binding.subject === subject) held++;
  if (held >= bindingsOfSubjectMax)
    return { refusal: { code: 'too_many_bindings', subject, limit: bindingsOfSubjectMax } };
  return { events: [{ type: 'role.granted', data: { subject, role, scope } }] };
}

/** A key outlasts the roles that were bound, and what a token said: for themselves nobody makes more of these than their key gives. */
function isGrantToSelf(by: Giver, { subject, role }: NewKey): boolean {
  const ofKey = by.key_id === null ? [] : by.own.map((grant) => grant.role);
  return subject === by.subject && !covers(ofKey, role);
}

function issueApiKey(
  state: TenantState,
  { type: _type, at, by, ...data }: Extract<TenantCommand, { type: 'IssueApiKey' }>,
): Outcome {
  if (!state.created) return { refusal: { code: 'tenant_not_found' } };
  const held = by === null ? null : heldIn(state, by, 'tenant');
  if (held !== null && !mayIssue(held, data.role))
    return { refusal: { code: 'role_above_own', role: data.role, own_roles: held } };
  if (by !== null && isGrantToSelf(by, data))
    return { refusal: { code: 'granted_to_self', subject: data.subject } };
  const { expires_at } = data;
  if (expires_at !== null && expires_at <= at)
    return { refusal: { code: 'time_in_past', field: 'expires_at', value: expires_at } };
  return { events: state.keys.has(data.key_id) ? [] : [{ type: 'api_key.issued', data }] };
}

/** Whether nobody but the system admins could issue a key any more, if it were not for this one. */
const isLastOfAdmins = (state: TenantState, own: ApiKey, at: string): boolean =>
  may(own.role, 'key:manage') &&
  [...state.keys.values()].every(
    ({ key_id, role, revoked_at, expires_at }) =>
      key_id === own.key_id ||
      !may(role, 'key:manage') ||
      revoked_at !== null ||
      (expires_at !== null && expires_at <= at),
  );

function revokeApiKey(
  state: TenantState,
  { at, by, key_id, reason }: Extract<TenantCommand, { type: 'RevokeApiKey' }>,
): Outcome {
  const key = state.keys.get(key_id);
  if (key === undefined) return { refusal: { code: 'key_not_found', key_id } };
  const { subject, role } = key;
  if (by !== null && by.subject !== subject) {
    const held = heldIn(state, by, 'tenant');
    if (!mayRevoke(held, role))
      return { refusal: { code: 'role_above_own', role, own_roles: held } };
  }
  if (key.revoked_at !== null) return { events: [] };
  if (by?.key_id === key_id && isLastOfAdmins(state, key, at))
    return { refusal: { code: 'last_admin_key', key_id } };
  return { events: [{ type: 'api_key.revoked', data: { key_id, subject, reason } }] };
}

function decide(state: TenantState, command: TenantCommand): Outcome {
  switch (command.type) {
    case 'CreateTenant': {
      const { tenant_id, name, first_key } = command;
      if (state.created)
        return first_key === null
          ? { events: [] }
          : { refusal: { code: 'tenant_exists', id: tenant_id } };
      const created: TenantEvent = { type: 'tenant.created', data: { tenant_id, name } };
      return {
        events:
          first_key === null ? [created] : [created, { type: 'api_key.issued', data: first_key }],
      };
    }
    case 'IssueApiKey':
      return issueApiKey(state, command);
    case 'RevokeApiKey':
      return revokeApiKey(state, command);
    case 'GrantRole':
      return grantRole(state, command);
    case 'RevokeRole': {
      const { by, reason, subject, role, scope } = command;
      const refusal = refusalOf(state, by, { role, scope });
      if (refusal !== null) return { refusal };
      if (!state.bindings.has(bindingKey({ subject, role, scope })))
        return { refusal: { code: 'role_binding_not_found', subject, role, scope } };
      return { events: [{ type: 'role.revoked', data: { subject, role, scope, reason } }] };
    }
  }
}

/** Who gives, by their key, and where that gives no such right by the roles that do; which of several it was, nobody knows. */
function handOf(state: TenantState, { subject, type, key_id }: Actor): Hand {
  const key = key_id === null ? undefined : state.keys.get(key_id);
  const isByKey = key !== undefined && may(key.role, 'role:manage');
  const bound = [...state.bindings.values()].filter(
    (binding) => !isByKey && binding.subject === subject && may(binding.role, 'role:manage'),
  );
  const behind = [...(key === undefined ? [] : [key]), ...bound].map(({ hand }) => hand);
  return { subject, isRegistry: type === 'system', behind };
}

function evolve(state: TenantState, event: RecordedTenantEvent): TenantState {
  assert(
    event.stream_version === state.stream_version + 1,
    `${event.stream} is at ${state.stream_version}`,
  );
  switch (event.type) {
    case 'tenant.created':
      state.created = true;
      break;
    case 'api_key.issued':
      state.keys.set(event.data.key_id, {
        ...event.data,
        issued_at: event.recorded_at,
        issued_by: event.actor.subject,
        hand: handOf(state, event.actor),
        revoked_at: null,
      });
      break;
    case 'api_key.revoked': {
      const key = state.keys.get(event.data.key_id);
      assert(key !== undefined, `key ${event.data.key_id} is revoked before it was issued`);
      state.keys.set(event.data.key_id, { ...key, revoked_at: event.recorded_at });
      break;
    }
    case 'role.granted':
      state.bindings.set(bindingKey(event.data), {
        ...event.data,
        granted_at: event.recorded_at,
        granted_by: event.actor.subject,
        hand: handOf(state, event.actor),
      });
      break;
    case 'role.revoked': {
      const wasHeld = state.bindings.delete(bindingKey(event.data));
      assert(wasHeld, `a role of ${event.data.subject} is revoked before it was granted`);
      break;
    }
  }
  state.stream_version = event.stream_version;
  return state;
}

export const tenantDecider: Decider<TenantState, TenantCommand, TenantEvent, TenantRefusal> = {
  initial: () => ({ stream_version: 0, created: false, keys: new Map(), bindings: new Map() }),
  decide,
  evolve,
  fork: (state) => ({
    ...state,
    keys: new Map(state.keys),
    bindings: new Map(state.bindings),
  }),
};
