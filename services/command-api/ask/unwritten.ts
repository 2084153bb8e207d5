// What is answered without an append: a refusal, "already so", or what a dry run would leave.
import type { AppendCommand, EventLog } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import type { AnswerFromLog } from './answer-from-log.ts';
import type { Decide } from './decide.ts';
import { foresee } from './dry-run.ts';
import type { ForetoldEvent } from './foretold.ts';
import { takenOf } from './taken-name.ts';
import type { TryAgain } from './try-again.ts';
import type { OnBug, Rested, Waiting } from './waiting.ts';

/** What would be answered without an append, if the version that it was decided on is still the log's. */
export type Unwritten = {
  waiting: Waiting;
  version: number;
  rested: Rested;
  outcome: { refusal: Problem } | Unrecorded;
};
/** An answer without an append, and what a dry run would have written; `takes` must be free for it to be true. */
type Unrecorded = {
  answer: unknown;
  would_write: readonly ForetoldEvent[] | null;
  takes: readonly string[];
};

const noClaims: ReadonlyMap<string, string> = new Map();

/** The answer is made now: the state in memory goes on while the log is asked. */
export type WithoutAppend = (
  waiting: Waiting,
  decided: AppendCommand | Problem,
  at: string,
) => Unwritten;
/** A refusal, or "already so": true only if the memory is not behind the log, and the key has no record. */
export type AnswerUnwritten = (
  unwritten: readonly Unwritten[],
  appending: Promise<ReadonlySet<string>>,
) => Promise<void>;

export function openUnwritten(deps: {
  log: EventLog;
  decide: Decide;
  tryAgain: TryAgain;
  answerFromLog: AnswerFromLog;
  onBug: OnBug;
}): { withoutAppend: WithoutAppend; answerUnwritten: AnswerUnwritten } {
  const { log, decide, tryAgain, answerFromLog, onBug } = deps;

  function withoutAppend(
    waiting: Waiting,
    decided: AppendCommand | Problem,
    at: string,
  ): Unwritten {
    const version = waiting.folded.state.stream_version;
    let outcome: Unwritten['outcome'];
    try {
      outcome =
        decided instanceof Problem ? { refusal: decided } : unrecorded(waiting, decided, at);
    } catch (error) {
      onBug(error as Error, 'answer');
      outcome = { refusal: new Problem('internal', {}, { cause: error }) };
    }
    return { waiting, version, rested: waiting.rested, outcome };
  }

  /** "Already so", or what a dry run would leave. */
  function unrecorded(waiting: Waiting, append: AppendCommand, at: string): Unrecorded {
    const { asked, folded } = waiting;
    return asked.dry_run
      ? foresee(decide, waiting, append, at)
      : { answer: asked.answer(folded.state, []), would_write: null, takes: [] };
  }

  async function answerUnwritten(
    unwritten: readonly Unwritten[],
    appending: Promise<ReadonlySet<string>>,
  ): Promise<void> {
    let found: Awaited<ReturnType<EventLog['lookUp']>>;
    let held: ReadonlyMap<string, string>;
    let current: ReadonlySet<string>;
    const wanted = unwritten.flatMap(({ outcome }) => ('takes' in outcome ? outcome.takes : []));
    try {
      const looking = log.lookUp(
        unwritten.flatMap(({ waiting, rested }) => [
          waiting.asked.stream,
          ...rested.map(({ folded }) => folded.stream),
        ]),
        unwritten.flatMap(({ waiting: { asked } }) =>
          asked.request_hash === null ? [] : [asked.command_id],
        ),
      );
      [found, held, current] = await Promise.all([
        looking,
        wanted.length === 0 ? noClaims : log.findClaims(wanted),
        appending,
      ]);
    } catch (error) {
      for (const { waiting } of unwritten) waiting.reject(error as Error);
      return;
    }
    /** What was appended by this process just now is what the memory knew. */
    const hasMoved = (version: number, stream: string, rested: Rested): boolean =>
      (found.versions.get(stream)! !== version && !current.has(stream)) ||
      rested.some((other) => found.versions.get(other.folded.stream)! !== other.version);
    for (const { waiting, version, rested, outcome } of unwritten) {
      const { asked } = waiting;
      const record = found.commands.get(asked.command_id);
      if (record !== undefined) {
        if (record.request_hash !== asked.request_hash) waiting.reject(new Problem('key_reused'));
        else void answerFromLog(waiting, record, true);
      } else if (hasMoved(version, asked.stream, rested)) void tryAgain(waiting);
      else if ('refusal' in outcome) waiting.reject(outcome.refusal);
      else {
        const { answer, would_write, takes } = outcome;
        const taken = takenOf(takes, held, asked.stream);
        if (taken !== null) waiting.reject(taken);
        else
          waiting.resolve({
            answer,
            status: asked.status === 201 ? 200 : asked.status,
            stream_version: version,
            position: 0,
            duplicate: false,
            would_write,
          });
      }
    }
  }

  return { withoutAppend, answerUnwritten };
}
