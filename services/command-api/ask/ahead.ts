// An append before the log has taken it: its events, and the state that they would leave.
import type { RecordedEvent } from '#events/envelope.ts';
import type { AppendCommand } from '#events/log.ts';
import type { StreamState } from '../streams.ts';
import type { AnyAsked } from './asked.ts';

/** The events of an append as they will be recorded after a version; positions, times and serials are not known yet. */
export const expectedEvents = (
  { tenant, stream }: AnyAsked,
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

/** The state as it will be if the append succeeds. */
export function evolveAhead(
  asked: AnyAsked,
  state: StreamState,
  append: AppendCommand,
  at: string,
): StreamState {
  let ahead = state;
  for (const event of expectedEvents(asked, append, state.stream_version, at))
    ahead = asked.kind.decider.evolve(ahead, event);
  return ahead;
}
