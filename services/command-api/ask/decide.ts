// One command decided on a state: what would be appended, or why it is refused.
import type { AppendCommand } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import type { ProblemCode } from '#infra/http/problems.ts';
import type { StreamState } from '../streams.ts';
import { appendCommandOf } from './append-command.ts';
import type { AnyAsked } from './asked.ts';
import { NameMoved } from './moved-name.ts';
import type { Admit, Inform } from './rested.ts';
import type { OnBug, Waiting } from './waiting.ts';

export type Decide = (waiting: Waiting, state: StreamState, at: string) => AppendCommand | Problem;

export function openDecide(deps: { informed: Inform; admitted: Admit; onBug: OnBug }): Decide {
  const { informed, admitted, onBug } = deps;
  return (waiting, state, at) => {
    const { asked } = waiting;
    const { foundBy } = asked;
    if (foundBy !== undefined && !asked.kind.isCalled!(state, foundBy.name))
      return new NameMoved(foundBy.name);
    try {
      const wish = informed(waiting, state, at);
      const command = admitted(waiting, state, wish);
      if (command instanceof Problem) return refused(asked, wish, command);
      const decision = asked.kind.decider.decide(state, command);
      const unmet = unmetBy(asked, state);
      if (decision.refusal !== undefined) {
        const refusal = problemOf(decision.refusal);
        return refused(asked, wish, isOfTheCaller(refusal) ? refusal : (unmet ?? refusal));
      }
      if (unmet !== null) return refused(asked, wish, unmet);
      return appendCommandOf(asked, decision.events, at);
    } catch (error) {
      if (error instanceof Problem) return error;
      // a bug in a rule fails its own command, and no other
      onBug(error as Error, 'decide');
      return new Problem('internal', {}, { cause: error });
    }
  };
}

const problemOf = ({ code, ...facts }: { code: ProblemCode }): Problem => new Problem(code, facts);

/** Why the stream is not as `If-Match` says, or null. */
function unmetBy({ expected_version }: AnyAsked, { stream_version }: StreamState): Problem | null {
  if (expected_version === undefined || expected_version === null) return null;
  if (expected_version === stream_version) return null;
  return new Problem('precondition_failed', { expected_version, stream_version });
}

/** What who asks may not do, or not see: told before `If-Match` is judged, as that tells where the stream is. */
const isOfTheCaller = ({ code, status }: Problem): boolean =>
  code === 'model_not_found' || status === 403;

/** A refusal with what was asked. What is not there and what may not be seen are told in the same words. */
function refused({ missing, stream }: AnyAsked, command: unknown, because: Problem): Problem {
  const problem = because.code === 'model_not_found' && missing !== undefined ? missing() : because;
  const { type: action } = command as { type: string };
  problem.about = { action, stream };
  return problem;
}
