// From whom the keys and roles of those come who take part in a promotion, followed back by what the tenant's stream knows.
import type { HeldRole, Principal } from '#events/access.ts';
import type { ModelCommand } from '#events/model/commands.ts';
import { restsOnRoles } from '#events/model/governed.ts';
import { subjectsBehind } from '#events/tenant/hands.ts';
import type { TenantState } from '#events/tenant/tenant.ts';

/** The command with everybody through whose hands the caller's roles came. */
export function withDescent(
  command: ModelCommand,
  principal: Principal,
  tenant: TenantState,
): ModelCommand {
  if (!restsOnRoles(command)) return command;
  const { asker } = command;
  const other_roles = asker.other_roles?.map((held) => traced(held, principal, tenant));
  return {
    ...command,
    asker: {
      ...asker,
      ...traced(asker, principal, tenant),
      ...(other_roles && { other_roles }),
    },
  };
}

function traced(
  { role, granted_by }: HeldRole,
  principal: Principal,
  tenant: TenantState,
): HeldRole {
  const key = principal.key_id === null ? undefined : tenant.keys.get(principal.key_id);
  const bound = [...tenant.bindings.values()].filter(
    (binding) =>
      binding.subject === principal.subject &&
      binding.role === role &&
      granted_by.includes(binding.granted_by),
  );
  const hands = [...(key === undefined ? [] : [key]), ...bound].map(({ hand }) => hand);
  return { role, granted_by: [...new Set([...granted_by, ...subjectsBehind(hands)])] };
}
