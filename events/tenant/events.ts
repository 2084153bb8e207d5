// What can happen to a tenant: it is created, keys are issued and revoked, roles granted and revoked. Add, never edit.
// No secret is stored here.
import { z } from 'zod';
import { boundRoles, parseScope, roles } from '../access.ts';
import type { Scope } from '../access.ts';
import type { DomainEvent, RecordedEvent } from '../envelope.ts';

const scope = z.custom<Scope>((value) => typeof value === 'string' && parseScope(value) !== null);

const created = z.object({ tenant_id: z.string(), name: z.string() });
const keyIssued = z.object({
  key_id: z.string(),
  subject: z.string(),
  subject_type: z.enum(['user', 'service', 'system']),
  role: z.enum(roles),
  description: z.string().nullable(),
  expires_at: z.string().nullable(),
});
const keyRevoked = z.object({
  key_id: z.string(),
  subject: z.string(),
  reason: z.string().nullable(),
});
const roleGranted = z.object({ subject: z.string(), role: z.enum(boundRoles), scope });
const roleRevoked = z.object({
  subject: z.string(),
  role: z.enum(boundRoles),
  scope,
  reason: z.string().nullable(),
});

export const tenantEvents = {
  'tenant.created': { schema_version: 1, data: created },
  'api_key.issued': { schema_version: 1, data: keyIssued },
  'api_key.revoked': { schema_version: 1, data: keyRevoked },
  'role.granted': { schema_version: 1, data: roleGranted },
  'role.revoked': { schema_version: 1, data: roleRevoked },
} as const;

type TenantEventType = keyof typeof tenantEvents;
export type TenantEventData<T extends TenantEventType> = z.infer<(typeof tenantEvents)[T]['data']>;
export type TenantEvent = {
  [T in TenantEventType]: DomainEvent<T, TenantEventData<T>>;
}[TenantEventType];
export type RecordedTenantEvent = RecordedEvent<TenantEvent>;
