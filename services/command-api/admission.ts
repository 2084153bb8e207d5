// Whether a caller may ask a command of a model where it stands. Who may not see it is told that there is none.
import { mayAt, maySee, roleAt, rolesWith } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import type { ModelCommand } from '#events/model/commands.ts';
import { destinationOf, neededFor } from '#events/model/permissions.ts';
import type { ModelState } from '#events/model/state.ts';
import { Problem } from '#infra/http/problems.ts';

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
    const where = at === 'model' ? place : destinationOf(command, place);
    if (!mayAt(principal, permission, where))
      return new Problem('forbidden', {
        required_permission: permission,
        required_role: rolesWith(permission),
        team: where.team,
        project: where.project,
      });
  }
  // who has no bindings has everywhere the role of the key
  if (principal.grants.length === 1) return command;
  return { ...command, asker: { ...command.asker, ...roleAt(principal, place) } };
}
