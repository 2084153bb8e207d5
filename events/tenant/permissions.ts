// What a command on a tenant asks for: in the whole tenant, but roles, which their admins manage scope by scope.
import type { Permission } from '../access.ts';
import type { TenantCommand } from './tenant.ts';

export const tenantPermissionOf: Record<TenantCommand['type'], Permission> = {
  CreateTenant: 'tenant:manage',
  IssueApiKey: 'key:manage',
  RevokeApiKey: 'key:manage',
  GrantRole: 'role:manage',
  RevokeRole: 'role:manage',
};
