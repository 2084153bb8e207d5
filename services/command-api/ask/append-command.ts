// A decision as the log takes it: its events with who, why and when, the names that they claim, and the keys that they move.
import { catalogue, claimsOf, isEventType, scopesMoved, serialKindOf } from '#events/catalogue.ts';
import type { AnyEvent, ScopeOfModel } from '#events/catalogue.ts';
import { AssertionFailed } from '#events/decider.ts';
import type { DomainEvent, EventMetadata } from '#events/envelope.ts';
import { eventDataBytesMax } from '#events/log.ts';
import type { AppendCommand, KeyEffect } from '#events/log.ts';
import { newId } from '#infra/ids.ts';
import { Problem } from '#infra/http/problems.ts';
import type { AnyAsked } from './asked.ts';

/** A body smaller than this cannot make an event's data too large. */
const surelySmallBytes = 64 * 1024;
const noKeys: readonly KeyEffect[] = [];

export function appendCommandOf(
  asked: AnyAsked,
  events: readonly DomainEvent[],
  at: string,
): AppendCommand {
  const metadata: EventMetadata = {
    actor: asked.actor,
    occurred_at: asked.occurred_at ?? at,
    reason: asked.reason,
    command_id: asked.command_id,
    correlation_id: asked.correlation_id ?? null,
    causation_id: asked.causation_id ?? null,
    traceparent: asked.traceparent ?? null,
  };
  const takes: string[] = [];
  const frees: string[] = [];
  const scopes: ScopeOfModel[] = [];
  const recorded = events.map(({ type, data }) => {
    if (!isEventType(type)) throw new AssertionFailed(`${type} is not in the catalogue`);
    const claims = claimsOf(asked.tenant, { type, data } as AnyEvent);
    if (claims.takes.length > 0) takes.push(...claims.takes);
    if (claims.frees.length > 0) frees.push(...claims.frees);
    const moved = scopesMoved({ type, data } as AnyEvent);
    if (moved.length > 0) scopes.push(...moved);
    // a small body may add to what is large already
    const mayGrow = type === 'model.updated' || type === 'version.updated';
    if (mayGrow || (asked.bytes ?? 0) > surelySmallBytes) assertFits(data);
    return {
      id: newId(),
      type,
      schema_version: catalogue[type].schema_version,
      data: data as object,
      serial_kind: serialKindOf(type),
    };
  });
  return {
    command_id: asked.command_id,
    request_hash: asked.request_hash,
    status: asked.status,
    metadata,
    events: recorded,
    takes,
    frees,
    keys: asked.keys ?? noKeys,
    scopes,
  };
}

function assertFits(data: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(data));
  if (bytes > eventDataBytesMax)
    throw new Problem('too_large', { limit_bytes: eventDataBytesMax, bytes });
}
