// A rule as a sentence: given what happened, when this is asked, then this follows, or it is refused.
import { expect } from 'vitest';
import { catalogue } from '#events/catalogue.ts';
import type { Common, ModelCommand, ModelRefusal, VersionRef } from '#events/model/commands.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { ModelEvent, RecordedModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelStream } from '#events/names.ts';
import { modelId, noon } from './history.ts';
import { commonAt } from './wanted.ts';

type Without<Command, Field extends string> = Command extends unknown
  ? Omit<Command, Field>
  : never;
/** A command without what most tests do not care for. */
export type Wanted = Without<ModelCommand, keyof Common> & Partial<Common>;

export const numbered = (number: number): VersionRef => ({ by: 'number', number });

/** The event as the log would hold it, at this version of its stream and one second of the story a version. */
export function recorded(event: ModelEvent, stream_version: number): RecordedModelEvent {
  return {
    ...event,
    position: stream_version,
    id: `01940000-0000-7000-a000-${String(stream_version).padStart(12, '0')}`,
    schema_version: catalogue[event.type].schema_version,
    tenant: 'default',
    stream: modelStream('default', modelId),
    stream_version,
    actor: {
      subject: 'zoë',
      type: 'user',
      auth_method: 'api_key',
      key_id: 'key',
      declared_by: null,
    },
    occurred_at: noon,
    recorded_at: new Date(Date.UTC(2026, 10, 21) + stream_version * 1_000).toISOString(),
    reason: null,
    command_id: '01940000-0000-7000-b000-000000000000',
    correlation_id: null,
    causation_id: null,
    traceparent: null,
  };
}

/** Folds events onto a state, in place, as if they were recorded now. */
export function folded(state: ModelState, events: readonly ModelEvent[]): ModelState {
  for (const event of events) modelDecider.evolve(state, recorded(event, state.stream_version + 1));
  return state;
}

export const commandOf = (wanted: Wanted): ModelCommand => ({ ...commonAt(noon), ...wanted });

/** @param history what has happened to the model, from its first event on */
export function given(...history: readonly ModelEvent[]) {
  return givenState(() => folded(modelDecider.initial(), history));
}

/** For a state that no event of this version of the registry leads to yet. */
export function givenState(state: () => ModelState) {
  return {
    /** How the model stands after what has happened. */
    state: state(),
    /** What is decided, where it is too much to be told event by event. */
    decided: (wanted: Wanted) => modelDecider.decide(state(), commandOf(wanted)),
    when(wanted: Wanted) {
      const asked = state();
      const decision = modelDecider.decide(asked, commandOf(wanted));
      expect(asked, 'a decision changed the state that it was made on').toEqual(state());
      return {
        follows(...events: readonly ModelEvent[]): void {
          expect(decision).toEqual({ events });
          for (const { type, data } of events)
            expect(catalogue[type].data.strict().safeParse(data).error, type).toBeUndefined();
          expect(folded(asked, events).stream_version).toBe(state().stream_version + events.length);
        },
        changesNothing: () => expect(decision).toEqual({ events: [] }),
        isRefused: (refusal: ModelRefusal) => expect(decision).toEqual({ refusal }),
      };
    },
  };
}
