// A name that a command wants may be held by another stream, or was a moment ago.
import type { AnyEvent } from '#events/catalogue.ts';
import { claimsOf } from '#events/catalogue.ts';
import type { EventLog } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Inform } from './rested.ts';
import type { TryAgain } from './try-again.ts';
import type { Waiting } from './waiting.ts';

/** The refusal where another stream holds a name that is wanted; null where none does. */
export function takenOf(
  names: readonly string[],
  held: ReadonlyMap<string, string>,
  stream: string,
): Problem | null {
  const taken = names.find((name) => held.has(name) && held.get(name) !== stream);
  if (taken === undefined) return null;
  // the claim is `model-name:<tenant>:<name>`
  return new Problem('name_taken', { name: taken.split(':').slice(2).join(':') });
}

export type AnswerClaimed = (waiting: Waiting) => Promise<void>;

/** Answers a command whose append found a name claimed. */
export const openAnswerClaimed =
  (deps: { log: EventLog; informed: Inform; tryAgain: TryAgain; now: () => Date }): AnswerClaimed =>
  async (waiting) => {
    const { asked } = waiting;
    try {
      const wanted = asked.kind.decider.decide(
        waiting.folded.state,
        deps.informed(waiting, waiting.folded.state, deps.now().toISOString()),
      );
      const names = (wanted.events ?? []).flatMap(
        (event) => claimsOf(asked.tenant, event as AnyEvent).takes,
      );
      const taken = takenOf(names, await deps.log.findClaims(names), asked.stream);
      if (taken === null) return await deps.tryAgain(waiting);
      waiting.reject(taken);
    } catch (error) {
      waiting.reject(error as Error);
    }
  };
