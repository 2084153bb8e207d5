// What can happen to a provider binding: a version implemented by a vendor. A storage format: add, never edit.
import { z } from 'zod';
import { bindingRef, jsonObject, nullableText, text } from './shapes.ts';

export const bindingStatuses = ['inactive', 'active', 'deprecated'] as const;
export type BindingStatus = (typeof bindingStatuses)[number];
const status = z.enum(bindingStatuses);

/** `avg_latency_ms` in milliseconds, `success_rate` from 0 to 1: last values, not series. */
const created = z.object({
  ...bindingRef,
  provider: text,
  provider_model_id: text,
  status,
  config: jsonObject,
  endpoint_url: nullableText,
  avg_latency_ms: z.number().nullable(),
  success_rate: z.number().nullable(),
  last_used_at: nullableText,
});
/** New values of the changed fields, and what they were; `config` is whole. */
const updated = z.object({
  ...bindingRef,
  provider: text,
  changed: jsonObject,
  previous: jsonObject,
});
const moved = z.object({
  ...bindingRef,
  provider: text,
  from_status: status,
  reason: nullableText,
});

export const bindingEvents = {
  'binding.created': { schema_version: 1, data: created },
  'binding.updated': { schema_version: 1, data: updated },
  'binding.activated': { schema_version: 1, data: moved },
  'binding.deactivated': { schema_version: 1, data: moved },
  'binding.deprecated': { schema_version: 1, data: moved },
  'binding.removed': { schema_version: 1, data: moved },
} as const;
