// What a command would do if it were asked in earnest: its events as the log would take them, and what they would leave.
import type { DomainEvent, RecordedEvent } from '#events/envelope.ts';
import type { AppendCommand } from '#events/log.ts';

/** An event that nobody wrote. What only the log gives it is left out, but for the serial in its data, which is 0. */
export type ForetoldEvent = Omit<
  RecordedEvent,
  | 'position'
  | 'id'
  | 'recorded_at'
  | 'command_id'
  | 'correlation_id'
  | 'causation_id'
  | 'traceparent'
>;

/** The events of an append as they will be recorded after a version; positions, times and serials are not known yet. */
export const expectedEvents = (
  { tenant, stream }: { tenant: string; stream: string },
  { events, metadata }: AppendCommand,
  version: number,
  at: string,
): RecordedEvent[] =>
  events.map(({ id, type, schema_version, data }, nth) => ({
    ...metadata,
    position: 0,
    id,
    type,
    schema_version,
    tenant,
    stream,
    stream_version: version + nth + 1,
    recorded_at: at,
    data,
  }));

export const foretold = (events: readonly RecordedEvent<DomainEvent>[]): ForetoldEvent[] =>
  events.map(
    ({
      type,
      schema_version,
      stream,
      stream_version,
      tenant,
      actor,
      occurred_at,
      reason,
      data,
    }) => ({
      type,
      schema_version,
      stream,
      stream_version,
      tenant,
      actor,
      occurred_at,
      reason,
      data,
    }),
  );
