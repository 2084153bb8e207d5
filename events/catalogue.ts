// Every event type with its schema version and shape, which claims an event takes or frees, and which serial it asks for.
import type { Scope } from './access.ts';
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
  if (event.type === 'model.renamed')
    return {
      takes: [modelNameClaim(tenant, event.data.name)],
      frees: [modelNameClaim(tenant, event.data.previous_name)],
    };
  if (event.type === 'model.deleted')
    return { takes: [], frees: [modelNameClaim(tenant, event.data.name)] };
  if (event.type === 'model.restored')
    return { takes: [modelNameClaim(tenant, event.data.name)], frees: [] };
  return noClaims;
}
const noClaims = { takes: [], frees: [] } as const;

/** The scope of a kind that an event puts its model in; null: in none of that kind any more. */
export type ScopeOfModel = { kind: 'team' | 'project'; scope: Scope | null };

/** The scopes that an event puts its model in or takes it out of. Pure, so that `model_scopes` can be rebuilt. */
export function scopesMoved(event: AnyEvent): readonly ScopeOfModel[] {
  if (event.type === 'model.registered') {
    const { team, project } = event.data;
    if (team === null && project === null) return noScopes;
    return [
      ...(team === null ? [] : [{ kind: 'team', scope: `team:${team}` } as const]),
      ...(project === null ? [] : [{ kind: 'project', scope: `project:${project}` } as const]),
    ];
  }
  if (event.type !== 'model.updated') return noScopes;
  const moved: ScopeOfModel[] = [];
  for (const kind of ['team', 'project'] as const) {
    if (!Object.hasOwn(event.data.changed, kind)) continue;
    const name = event.data.changed[kind];
    moved.push({ kind, scope: typeof name === 'string' ? `${kind}:${name}` : null });
  }
  return moved;
}
const noScopes: readonly ScopeOfModel[] = [];

/** What belongs to a model and has an id of its own: the field that holds the id, and the events with which it begins. */
export const parts = {
  deployment: { id: 'deployment_id', begins: ['deployment.requested', 'model.deployed'] },
  binding: { id: 'binding_id', begins: ['binding.created'] },
  promotion_request: { id: 'promotion_request_id', begins: ['promotion.requested'] },
  hold: { id: 'hold_id', begins: ['hold.placed'] },
} as const satisfies Record<string, { id: string; begins: readonly ModelEvent['type'][] }>;
export type PartKind = keyof typeof parts;

export type SerialKind = 'model' | 'version';

/** The kind of short number that the log writes into `data.serial`, under its lock. */
export function serialKindOf(type: EventType): SerialKind | null {
  if (type === 'model.registered') return 'model';
  return type === 'model.versioned' ? 'version' : null;
}
