// A stream's commands of one batch, decided in turn: each on the state that the one before leaves.
import { Problem } from '#infra/http/problems.ts';
import { evolveAhead } from './ahead.ts';
import type { Decide } from './decide.ts';
import type { Queue } from './queue.ts';
import type { Unwritten, WithoutAppend } from './unwritten.ts';
import type { Draft, Waiting } from './waiting.ts';

/** What is to be appended of the stream's commands; what is to be answered without is added to `unwritten`. */
export type DecideInTurn = (
  together: readonly Waiting[],
  at: string,
  unwritten: Unwritten[],
) => Draft[];

export function openTurn(deps: {
  decide: Decide;
  withoutAppend: WithoutAppend;
  again: Queue['again'];
}): DecideInTurn {
  const { decide, withoutAppend, again } = deps;
  return (together, at, unwritten) => {
    const { asked, folded } = together[0]!;
    const entry: Draft[] = [];
    let state = folded.state;
    const isAhead = (): boolean => state !== folded.state;
    for (const [index, waiting] of together.entries()) {
      // a state in memory is shared by everyone who waits for the stream
      waiting.folded = folded;
      if (waiting.alone && entry.length > 0) {
        again(together.slice(index));
        break;
      }
      const outcome = decide(waiting, state, at);
      if (
        outcome instanceof Problem ||
        waiting.asked.dry_run ||
        (outcome.events.length === 0 && waiting.asked.request_hash === null)
      ) {
        // what rests on events that may yet fail is decided again when they are recorded
        if (isAhead()) again([waiting]);
        else unwritten.push(withoutAppend(waiting, outcome, at));
        continue;
      }
      entry.push({ waiting, append: outcome });
      // an append takes names after it has freed others: of two moves of a name in one, the first would stay taken
      if (waiting.alone || outcome.takes.length + outcome.frees.length > 0) {
        again(together.slice(index + 1));
        break;
      }
      if (index === together.length - 1 || outcome.events.length === 0) continue;
      if (!isAhead()) state = asked.kind.decider.fork(folded.state);
      state = evolveAhead(waiting.asked, state, outcome, at);
    }
    return entry;
  };
}
