// A row of `log.events`, and the event that it holds.
import type { QueryResultRow } from 'pg';
import type { EventMetadata, RecordedEvent } from '#events/envelope.ts';

/** The rows of a prepared statement. */
export type Rows = <Row extends QueryResultRow>(
  name: string,
  text: string,
  values: unknown[],
) => Promise<Row[]>;

/** A row of `log.events` as `eventColumns` selects it. */
export type EventRow = {
  position: string;
  tenant: string;
  stream: string;
  version: number;
  event_id: string;
  type: string;
  schema_version: number;
  data: object;
  metadata: EventMetadata;
  serial: number | null;
  recorded_ms: string;
};

export const eventColumns = `position, tenant, stream, version, event_id, type, schema_version, data, metadata, serial,
  (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms`;

export const time = (milliseconds: number): string => new Date(milliseconds).toISOString();

export function recordedEvent(row: EventRow): RecordedEvent {
  const { metadata } = row;
  return {
    position: Number(row.position),
    id: row.event_id,
    type: row.type,
    schema_version: row.schema_version,
    tenant: row.tenant,
    stream: row.stream,
    stream_version: row.version,
    actor: metadata.actor,
    occurred_at: metadata.occurred_at,
    recorded_at: time(Number(row.recorded_ms)),
    reason: metadata.reason,
    command_id: metadata.command_id,
    correlation_id: metadata.correlation_id,
    causation_id: metadata.causation_id,
    traceparent: metadata.traceparent,
    data: row.serial === null ? row.data : { ...row.data, serial: row.serial },
  };
}
