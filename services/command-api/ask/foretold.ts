// An event that nobody wrote, as a dry run shows it.
import type { DomainEvent, RecordedEvent } from '#events/envelope.ts';

/** What only the log gives an event is left out, but for the serial in its data, which is 0. */
export type ForetoldEvent = ReturnType<typeof foretold>;

export const foretold = (event: RecordedEvent<DomainEvent>) => ({
  type: event.type,
  schema_version: event.schema_version,
  stream: event.stream,
  stream_version: event.stream_version,
  tenant: event.tenant,
  actor: event.actor,
  occurred_at: event.occurred_at,
  reason: event.reason,
  data: event.data,
});
