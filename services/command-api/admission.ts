// Whether a caller may ask a command of a model where it stands, by what they hold at that moment. Who may not see the
// model is told that there is none.
import { mayAt, maySee, principalOf, rolesAt } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import type { ModelCommand } from '#events/model/commands.ts';
import { restsOnRoles } from '#events/model/governed.ts';
import { neededFor } from '#events/model/permissions.ts';
import type { ModelState } from '#events/model/state.ts';
import { tenantStream } from '#events/names.ts';
import type { TenantState } from '#events/tenant/tenant.ts';
import { forbidden } from '#infra/http/forbidden.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Folded } from './streams.ts';

/**
 * The stream that gives and takes roles, where a decision rests on it: the caller has roles by bindings, or the rules
 * themselves ask who it is. All others go by what is known of their key, which is less than a second old.
 */
export const rolesStreamOf = (principal: Principal, command: ModelCommand): string | null =>
  principal.grants.length > principal.own.length || restsOnRoles(command)
    ? tenantStream(principal.tenant)
    : null;

/** The last answer about a caller: many commands come with one. */
const asOf = new WeakMap<Principal, { version: number; caller: Principal | Problem }>();

/** The caller with the key and the roles that the tenant's stream has for them. */
export function callerNow(
  principal: Principal,
  { state }: Folded<TenantState>,
): Principal | Problem {
  const version = state.stream_version;
  const known = asOf.get(principal);
  if (known?.version === version) return known.caller;
  const key = principal.key_id === null ? undefined : state.keys.get(principal.key_id);
  const isRevoked = key !== undefined && key.revoked_at !== null;
  const bound = [...state.bindings.values()].filter(({ subject }) => subject === principal.subject);
  const caller = isRevoked ? new Problem('unauthenticated') : principalOf(principal, bound);
  asOf.set(principal, { version, caller });
  return caller;
}

/** The command as its caller may ask it, with the role that they have there; else why not. */
export function admitToModel(
  principal: Principal,
  state: ModelState,
  command: ModelCommand,
): ModelCommand | Problem {
  const isNew = command.type === 'RegisterModel';
  const place = isNew ? command.facts : state.model;
  // the decision says that there is no such model
  if (place === null) return command;
  if (!isNew && !maySee(principal, place)) return new Problem('model_not_found');
  for (const { permission, at } of neededFor(command, place)) {
    const where = at === 'model' ? place : at;
    if (!mayAt(principal, permission, where))
      return forbidden(permission, { team: where.team, project: where.project });
  }
  if (holdsRoleOfKeyOnly(principal)) return command;
  const [held, ...other_roles] = rolesAt(principal, place);
  return { ...command, asker: { ...command.asker, ...held, other_roles } };
}

/** Everywhere the role that the command names already: not so a role of a team, by a token's claims, or a bound one. */
const holdsRoleOfKeyOnly = ({ grants, own }: Principal): boolean =>
  grants.length === 1 && own[0]?.scope === 'tenant';
