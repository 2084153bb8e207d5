// Every event type with its schema version and shape, which claims an event takes or frees, and which serial it asks for.
import { modelEvents } from './model/events.ts';
import type { ModelEvent } from './model/events.ts';
import { modelNameClaim } from './names.ts';
import { policyEvents } from './policy/events.ts';
import type { PolicyEvent, PolicyEventType } from './policy/events.ts';
import { tenantEvents } from './tenant/events.ts';
import type { TenantEvent } from './tenant/events.ts';

export const catalogue = { ...modelEvents, ...policyEvents, ...tenantEvents };
export type EventType = keyof typeof catalogue;
export type AnyEvent = ModelEvent | PolicyEvent | TenantEvent;

export const isEventType = (type: string): type is EventType => Object.hasOwn(catalogue, type);
export const isModelEventType = (type: string): type is ModelEvent['type'] =>
  Object.hasOwn(modelEvents, type);
/** Whether the topic `model-lifecycle` carries it: of models and policies, never of tenants, whose keys are nobody's business. */
export const isLifecycleEventType = (type: string): type is ModelEvent['type'] | PolicyEventType =>
  isModelEventType(type) || Object.hasOwn(policyEvents, type);

/** Unique names that an event takes for its stream, or frees. A pure function, so that `claims` can be rebuilt. */
export function claimsOf(
  tenant: string,
  event: AnyEvent,
): { takes: readonly string[]; frees: readonly string[] } {
  if (event.type === 'model.registered')
    return { takes: [modelNameClaim(tenant, event.data.name)], frees: [] };
  return noClaims;
}
const noClaims = { takes: [], frees: [] } as const;

export type SerialKind = 'model' | 'version';

/** The kind of short number that the log writes into `data.serial`, under its lock. */
export function serialKindOf(type: EventType): SerialKind | null {
  if (type === 'model.registered') return 'model';
  return type === 'model.versioned' ? 'version' : null;
}
