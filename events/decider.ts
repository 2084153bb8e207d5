// The whole idea: a decision is a pure function of state and command to events, or to one refusal.
import type { DomainEvent, RecordedEvent } from './envelope.ts';

/** Either what follows (nothing, where it is already so) or the one reason why not. */
export type Decision<Event, Refusal> =
  | { events: readonly Event[]; refusal?: undefined }
  | { events?: undefined; refusal: Refusal };

/** A kind of stream: how its state begins, what a command leads to, and what an event makes true. */
export type Decider<State, Command, Event extends DomainEvent, Refusal> = {
  initial: () => State;
  decide: (state: State, command: Command) => Decision<Event, Refusal>;
  /** Applies a recorded event to the state in place, and returns it; rows inside are replaced, never changed. */
  evolve: (state: State, event: RecordedEvent<Event>) => State;
  /** A copy that can be evolved without touching the original. */
  fork: (state: State) => State;
};

/** A fact that may never be otherwise; a bug is a crash, in production too. */
export function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new AssertionFailed(message);
}

/** A broken assumption of the code itself: not the caller's fault, and asking again does not help. */
export class AssertionFailed extends Error {
  override name = 'AssertionFailed';
  readonly retryable = false;
}
