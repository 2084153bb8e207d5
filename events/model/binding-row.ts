// The row of a provider binding: which vendor's model implements a version.
import { assert } from '../decider.ts';
import type { Actor, RecordedEvent } from '../envelope.ts';
import type { BindingStatus } from './binding-events.ts';
import type {
  ModelEvent,
  ModelEventData,
  ModelEventOf,
  ModelEventsNamed,
  RecordedModelEvent,
} from './events.ts';
import { existing } from './row.ts';
import type { NoRow } from './row.ts';

/** A removed binding keeps its row, with `removed_at`. Times are RFC 3339. */
export type Binding = ModelEventData<'binding.created'> & {
  tenant: string;
  created_at: string;
  created_by: Actor;
  updated_at: string;
  removed_at: string | null;
};

type BindingEventType = ModelEventsNamed<'binding'>;

const moved = (row: Binding | NoRow, event: RecordedEvent, status: BindingStatus): Binding => ({
  ...existing(row, event),
  updated_at: event.recorded_at,
  status,
});

const bindingHandlers: {
  [T in BindingEventType]: (row: Binding | NoRow, event: RecordedEvent<ModelEventOf<T>>) => Binding;
} = {
  'binding.created': (row, event) => {
    assert(row === undefined, `binding ${event.data.binding_id} is created twice`);
    return {
      ...event.data,
      tenant: event.tenant,
      created_at: event.recorded_at,
      created_by: event.actor,
      updated_at: event.recorded_at,
      removed_at: null,
    };
  },
  'binding.updated': (row, event) => ({
    ...existing(row, event),
    ...event.data.changed,
    updated_at: event.recorded_at,
  }),
  'binding.activated': (row, event) => moved(row, event, 'active'),
  'binding.deactivated': (row, event) => moved(row, event, 'inactive'),
  'binding.deprecated': (row, event) => moved(row, event, 'deprecated'),
  'binding.removed': (row, event) => ({
    ...existing(row, event),
    updated_at: event.recorded_at,
    removed_at: event.recorded_at,
  }),
};

const isBindingEvent = (event: ModelEvent): event is ModelEventOf<BindingEventType> =>
  Object.hasOwn(bindingHandlers, event.type);

/** The id of the binding whose row the event changes, or null. */
export const touchedBinding = (event: ModelEvent): string | null =>
  isBindingEvent(event) ? event.data.binding_id : null;

/** The next row of the binding that `touchedBinding` names. */
export const evolveBinding = (row: Binding | NoRow, event: RecordedModelEvent): Binding =>
  bindingHandlers[event.type as BindingEventType](row, event as never);
