// Who may do what: roles, permissions, and which role may issue which. Deny by default.

/** From the least to the most. `service` belongs to the registry's own services, and is never issued by a person. */
export const roles = ['viewer', 'producer', 'deployer', 'approver', 'admin', 'service'] as const;
export type Role = (typeof roles)[number];

export const permissions = [
  'registry:read',
  'model:write',
  'version:write',
  'version:assess',
  'stage:change',
  'version:archive',
  'deployment:write',
  'key:manage',
  'training:report',
  'retention:attribute',
] as const;
export type Permission = (typeof permissions)[number];

const read = ['registry:read'] as const;
const granted: Record<Role, readonly Permission[]> = {
  viewer: read,
  producer: [...read, 'model:write', 'version:write', 'training:report'],
  deployer: [...read, 'deployment:write', 'stage:change'],
  approver: [...read, 'version:assess', 'stage:change', 'version:archive'],
  admin: [
    ...read,
    'model:write',
    'version:write',
    'version:assess',
    'stage:change',
    'version:archive',
    'deployment:write',
    'key:manage',
    'training:report',
  ],
  service: [
    ...read,
    'version:archive',
    'model:write',
    'version:write',
    'training:report',
    'retention:attribute',
  ],
};

const grantedSets = new Map(roles.map((role) => [role, new Set(granted[role])]));

/** Whether a role has a permission. */
export const may = (role: Role, permission: Permission): boolean =>
  grantedSets.get(role)!.has(permission);

/** The roles that have a permission, for a refusal to name. */
export const rolesWith = (permission: Permission): readonly Role[] =>
  roles.filter((role) => may(role, permission));

/** Nobody issues a key with a permission that they lack, and nobody issues a service's. */
export const mayIssue = (own: Role, role: Role): boolean =>
  role !== 'service' && granted[role].every((permission) => may(own, permission));

/** Who is asking, as authentication established it. */
export type Principal = {
  tenant: string;
  subject: string;
  subject_type: 'user' | 'service' | 'system';
  role: Role;
  key_id: string;
};
