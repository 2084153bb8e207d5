// How a stored shape of an older schema version becomes the current one. Every shape ever stored has a golden file.
import { catalogue, isEventType } from './catalogue.ts';
import type { RecordedEvent } from './envelope.ts';

/** A stored event that this version of the code cannot read; retrying does not help. */
export class UnreadableEvent extends Error {
  override name = 'UnreadableEvent';
  readonly retryable = false;
}

type Upcast = (data: Record<string, unknown>) => Record<string, unknown>;

/** `type` → for each older schema version, how its data become those of the next. None has been needed yet. */
const upcasters: Partial<Record<string, Record<number, Upcast>>> = {};

/**
 * The event in its current shape.
 * @throws UnreadableEvent for an unknown type, or a schema version newer than this code.
 */
export function upcast(event: RecordedEvent): RecordedEvent {
  const { type } = event;
  if (!isEventType(type))
    throw new UnreadableEvent(`unknown event type "${type}" at position ${event.position}`);
  const current: number = catalogue[type].schema_version;
  if (event.schema_version === current) return event;
  let data = event.data as Record<string, unknown>;
  for (let version = event.schema_version; version !== current; version++) {
    const step = upcasters[type]?.[version];
    if (step === undefined || version > current)
      throw new UnreadableEvent(
        `${type} has schema version ${event.schema_version}, this code knows up to ${current}`,
      );
    data = step(data);
  }
  return { ...event, schema_version: current, data };
}
