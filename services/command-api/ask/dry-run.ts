// What a command would do if it were asked in earnest: what it would write, and what would be answered after it.
import type { AppendCommand } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import { evolveAhead, expectedEvents } from './ahead.ts';
import type { Decide } from './decide.ts';
import { foretold } from './foretold.ts';
import type { ForetoldEvent } from './foretold.ts';
import type { Waiting } from './waiting.ts';

type Foreseen = {
  answer: unknown;
  would_write: readonly ForetoldEvent[];
  /** Names that must be free for it to be true. */
  takes: readonly string[];
};

/** Foresees an append, and what the registry itself would ask next, as long as nothing refuses that. */
export function foresee(
  decide: Decide,
  waiting: Waiting,
  append: AppendCommand,
  at: string,
): Foreseen {
  const { asked, folded } = waiting;
  const { state } = folded;
  const events = expectedEvents(asked, append, state.stream_version, at);
  const after = evolveAhead(asked, asked.kind.decider.fork(state), append, at);
  const answer = asked.answer(after, events);
  const own: Foreseen = { answer, would_write: events.map(foretold), takes: append.takes };
  const next = asked.next?.(after) ?? null;
  if (next === null) return own;
  const { principal: _, next: __, expected_version: ___, ...common } = asked;
  const following = {
    ...waiting,
    asked: { ...common, ...next },
    folded: { ...folded, state: after },
  };
  const decided = decide(following, after, at);
  waiting.rested = [...waiting.rested, ...following.rested];
  if (decided instanceof Problem) return own;
  const rest = foresee(decide, following, decided, at);
  return {
    answer: rest.answer,
    would_write: [...own.would_write, ...rest.would_write],
    takes: [...own.takes, ...rest.takes],
  };
}
