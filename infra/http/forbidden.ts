// The refusal of what a caller has no permission for: it says which, and who has it.
import { rolesWith } from '#events/access.ts';
import type { Permission } from '#events/access.ts';
import { Problem } from './problems.ts';

/** @param where of what it would have to be held, where not everywhere */
export const forbidden = (permission: Permission, where: object = {}): Problem =>
  new Problem('forbidden', {
    required_permission: permission,
    required_role: rolesWith(permission),
    ...where,
  });
