// What can happen to a tenant: it is created, and keys are issued and revoked. Add, never edit. No secret is stored here.
import { z } from 'zod';
import { roles } from '../access.ts';
import type { DomainEvent, RecordedEvent } from '../envelope.ts';

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

export const tenantEvents = {
  'tenant.created': { schema_version: 1, data: created },
  'api_key.issued': { schema_version: 1, data: keyIssued },
  'api_key.revoked': { schema_version: 1, data: keyRevoked },
} as const;

type TenantEventType = keyof typeof tenantEvents;
export type TenantEventData<T extends TenantEventType> = z.infer<(typeof tenantEvents)[T]['data']>;
export type TenantEvent = {
  [T in TenantEventType]: DomainEvent<T, TenantEventData<T>>;
}[TenantEventType];
export type RecordedTenantEvent = RecordedEvent<TenantEvent>;
