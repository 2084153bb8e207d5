// Who may do what, and where: roles, permissions, the scopes in which roles are held, and which role may give which.
// Deny by default.

/**
 * From the least to the most. `member` grants nothing by itself, so that a person can be confined to teams and projects by
 * bindings; `system_admin` also makes tenants; `service` belongs to the registry's own services, and is never given by a person.
 */
export const roles = [
  'member',
  'viewer',
  'producer',
  'deployer',
  'approver',
  'admin',
  'system_admin',
  'service',
] as const;
export type Role = (typeof roles)[number];

/** The roles that a binding gives to a subject in a scope. */
export const boundRoles = ['viewer', 'producer', 'deployer', 'approver', 'admin'] as const;
export type BoundRole = (typeof boundRoles)[number];

export const permissions = [
  'registry:read',
  'model:write',
  'model:move',
  'version:write',
  'version:assess',
  'stage:change',
  'promotion:request',
  'promotion:decide',
  'policy:write',
  'version:archive',
  'deployment:write',
  'role:manage',
  'key:manage',
  'audit:read',
  'tenant:manage',
  'training:report',
  'retention:attribute',
] as const;
export type Permission = (typeof permissions)[number];

/** What is of the whole tenant, so that a role held in a team or a project only does not give it. */
const ofTheTenant: ReadonlySet<Permission> = new Set([
  'key:manage',
  'audit:read',
  'tenant:manage',
  'retention:attribute',
]);

const read = ['registry:read'] as const;
const admin = [
  ...read,
  'model:write',
  'model:move',
  'version:write',
  'version:assess',
  'stage:change',
  'promotion:request',
  'promotion:decide',
  'policy:write',
  'version:archive',
  'deployment:write',
  'role:manage',
  'key:manage',
  'audit:read',
  'training:report',
] as const;
const granted: Record<Role, readonly Permission[]> = {
  member: [],
  viewer: read,
  producer: [...read, 'model:write', 'version:write', 'promotion:request', 'training:report'],
  deployer: [...read, 'deployment:write', 'stage:change', 'promotion:request'],
  approver: [
    ...read,
    'version:assess',
    'stage:change',
    'promotion:request',
    'promotion:decide',
    'version:archive',
  ],
  admin,
  system_admin: [...admin, 'tenant:manage'],
  service: [
    ...read,
    'version:archive',
    'deployment:write',
    'model:write',
    'version:write',
    'training:report',
    'retention:attribute',
  ],
};

const grantedSets = new Map(roles.map((role) => [role, new Set(granted[role])]));

/** Whether a role has a permission, where the role is held. */
export const may = (role: Role, permission: Permission): boolean =>
  grantedSets.get(role)!.has(permission);

/** The roles that have a permission, for a refusal to name. */
export const rolesWith = (permission: Permission): readonly Role[] =>
  roles.filter((role) => may(role, permission));

/** Whether who holds these roles may do all that another role may. */
export const covers = (own: readonly Role[], role: Role): boolean =>
  granted[role].every((permission) => own.some((held) => may(held, permission)));

/** Nobody issues a key with a permission that they lack, and nobody issues a service's. */
export const mayIssue = (own: readonly Role[], role: Role): boolean =>
  role !== 'service' && covers(own, role);

/** Nobody revokes a key with a permission that they lack; those of the registry's services, who are above nobody, a system admin does. */
export const mayRevoke = (own: readonly Role[], role: Role): boolean =>
  own.includes('system_admin') || covers(own, role);

/** Where a role is held: in the whole tenant, or for the models of a team or a project. */
export type Scope = 'tenant' | `team:${string}` | `project:${string}`;

/** A scope as it is written, or null. */
export function parseScope(text: string): Scope | null {
  if (text === 'tenant') return text;
  const isNamed = /^(team|project):[^\s]/.test(text) && text.trim() === text;
  return isNamed ? (text as Scope) : null;
}

/** The names of the teams, or of the projects, among scopes. */
export const namesOf = (scopes: readonly Scope[], kind: 'team' | 'project'): string[] =>
  scopes
    .filter((scope) => scope.startsWith(`${kind}:`))
    .map((scope) => scope.slice(kind.length + 1));

/** Where a model stands, as far as scopes go. */
export type Place = { team: string | null; project: string | null };

/** The scopes that a model is in, beside the tenant. */
function scopesOf({ team, project }: Place): readonly Scope[] {
  const scopes: Scope[] = [];
  if (team !== null) scopes.push(`team:${team}`);
  if (project !== null) scopes.push(`project:${project}`);
  return scopes;
}

/** A role that somebody holds in a scope, and who gave it. */
export type Grant = { role: Role; scope: Scope; granted_by: string | null };

/** Who somebody is, as their key or token says. */
export type Identity = {
  tenant: string;
  subject: string;
  subject_type: 'user' | 'service' | 'system';
  auth_method: 'api_key' | 'token' | 'oidc';
  key_id: string | null;
  /** Who issued the key; null where there is none, or nobody knows. */
  issued_by: string | null;
  /** What the key or token itself gives. */
  own: readonly Grant[];
};

/** Who is asking, as authentication established it, with what they may do made ready for each request. */
export type Principal = Identity & {
  /** The role that the key or token gives in the whole tenant. */
  role: Role;
  /** What the key or token gives, and what was bound to the subject. */
  grants: readonly Grant[];
  /** Held in the whole tenant. */
  everywhere: ReadonlySet<Permission>;
  /** Held in the tenant or in any scope of it. */
  somewhere: ReadonlySet<Permission>;
  /** The scopes whose models may be read; null: everything of the tenant. */
  sees: readonly Scope[] | null;
  /** The same text for all who may read the same, for answers that are shared. */
  audience: string;
};

const strongest = (held: readonly Role[]): Role =>
  held.reduce<Role>(
    (most, role) => (roles.indexOf(role) > roles.indexOf(most) ? role : most),
    'member',
  );

export function principalOf(identity: Identity, bindings: readonly Grant[]): Principal {
  const grants = [...identity.own, ...bindings];
  const everywhere = new Set<Permission>();
  const somewhere = new Set<Permission>();
  const seen = new Set<Scope>();
  for (const { role, scope } of grants)
    for (const permission of granted[role]) {
      if (scope === 'tenant') everywhere.add(permission);
      else if (ofTheTenant.has(permission)) continue;
      else if (permission === 'registry:read') seen.add(scope);
      somewhere.add(permission);
    }
  const sees = everywhere.has('registry:read') ? null : [...seen].sort();
  const { tenant } = identity;
  return {
    ...identity,
    role: strongest(identity.own.filter(({ scope }) => scope === 'tenant').map(({ role }) => role)),
    grants,
    everywhere,
    somewhere,
    sees,
    audience: sees === null ? tenant : `${tenant} ${JSON.stringify(sees)}`,
  };
}

/** Whether somebody may read a model that stands there. */
export const maySee = ({ sees }: Pick<Principal, 'sees'>, place: Place): boolean =>
  sees === null || scopesOf(place).some((scope) => sees.includes(scope));

/** Whether somebody has a permission for a model that stands there. */
export function mayAt(principal: Principal, permission: Permission, place: Place): boolean {
  if (principal.everywhere.has(permission)) return true;
  if (!principal.somewhere.has(permission)) return false;
  const scopes = scopesOf(place);
  return principal.grants.some(
    ({ role, scope }) => scopes.includes(scope) && may(role, permission),
  );
}

/** A role that somebody holds, with the subjects who issued the key and gave the role, and where it matters who gave to these. */
export type HeldRole = { role: Role; granted_by: readonly string[] };

/** Every role that somebody holds where a model stands, the strongest first; of the same, that of the key. */
export function rolesAt(principal: Principal, place: Place): readonly HeldRole[] {
  const scopes: readonly Scope[] = ['tenant', ...scopesOf(place)];
  return principal.grants
    .filter(({ scope }) => scopes.includes(scope))
    .map(({ role, granted_by: giver }) => ({
      role,
      granted_by: [...new Set([principal.issued_by, giver])].filter((by) => by !== null),
    }))
    .sort((left, right) => roles.indexOf(right.role) - roles.indexOf(left.role));
}
