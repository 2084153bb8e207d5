// What every row of a model is folded by: a row that an event touches must be there.
import { assert } from '../decider.ts';
import type { RecordedEvent } from '../envelope.ts';

export type NoRow = undefined;

export function existing<Row>(row: Row | NoRow, event: RecordedEvent): Row {
  assert(
    row !== undefined,
    `${event.type} at ${event.stream} ${event.stream_version} touches a row that does not exist`,
  );
  return row;
}
