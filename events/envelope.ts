// What surrounds every recorded event: who, when, where in the log, and why.

/** Who asked. `subject` is an opaque id; `declared_by` is a name the caller chose to record beside it. */
export type Actor = {
  subject: string;
  type: 'user' | 'service' | 'policy' | 'system';
  auth_method: 'api_key' | 'token' | 'oidc' | 'event' | 'internal';
  key_id: string | null;
  declared_by: string | null;
};

/** What a command gives to each of its events beside their data; stored as `events.metadata`. */
export type EventMetadata = {
  actor: Actor;
  /** RFC 3339 UTC with milliseconds; the producer's claim. */
  occurred_at: string;
  reason: string | null;
  command_id: string;
  correlation_id: string | null;
  causation_id: string | null;
  traceparent: string | null;
};

/** An event as the rules see it: its type and its data. */
export type DomainEvent<Type extends string = string, Data = unknown> = { type: Type; data: Data };

/** Where the log put an event. Positions are global and gapless; times are RFC 3339 UTC with milliseconds. */
type Recorded = EventMetadata & {
  position: number;
  /** UUIDv7 */
  id: string;
  schema_version: number;
  tenant: string;
  stream: string;
  stream_version: number;
  recorded_at: string;
};

/** A recorded event: the whole envelope with the data, as `GET /events` and the Kafka headers show it. */
export type RecordedEvent<E extends DomainEvent = DomainEvent> = E & Recorded;
