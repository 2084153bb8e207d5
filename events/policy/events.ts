// What can happen to the policy of a scope. A storage format: add, never edit.
import { z } from 'zod';
import type { DomainEvent, RecordedEvent } from '../envelope.ts';

const jsonObject = z.record(z.string(), z.json());

/** New values of the changed fields and what they were; null where the scope says nothing of it (any more). */
const set = z.object({
  scope: z.string(),
  /** The preset whose fields were written with it, if one was named. */
  preset: z.string().nullable(),
  changed: jsonObject,
  previous: jsonObject,
  /** Something is allowed from here on that was not before. */
  loosens: z.boolean(),
  reason: z.string().nullable(),
});

export const policyEvents = { 'policy.set': { schema_version: 1, data: set } } as const;

export type PolicyEventType = keyof typeof policyEvents;
export type PolicyEventData<T extends PolicyEventType> = z.infer<(typeof policyEvents)[T]['data']>;
export type PolicyEvent = {
  [T in PolicyEventType]: DomainEvent<T, PolicyEventData<T>>;
}[PolicyEventType];
export type RecordedPolicyEvent = RecordedEvent<PolicyEvent>;
