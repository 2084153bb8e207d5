// Where every command enters: it waits for its batch, is decided on the folded state, appended, and answered.
// A batch is whatever waited while the last one was in flight; each stream's commands are decided in turn.
import type { DomainEvent } from '#events/envelope.ts';
import type { EventLog } from '#events/log.ts';
import type { ProblemCode } from '#infra/http/problems.ts';
import type { Streams, StreamState } from '../streams.ts';
import { openAnswerFromLog } from './answer-from-log.ts';
import { noStreams, openAppend } from './append.ts';
import type { AskMetrics } from './append.ts';
import type { Answered, AnyAsked, Asked } from './asked.ts';
import { openDecide } from './decide.ts';
import { openIntake } from './intake.ts';
import { openQueue } from './queue.ts';
import { openRested } from './rested.ts';
import { openAnswerClaimed } from './taken-name.ts';
import { openTryAgain } from './try-again.ts';
import { openTurn } from './turn.ts';
import { openUnwritten } from './unwritten.ts';
import type { Unwritten } from './unwritten.ts';
import { openAnswerVerdict } from './verdict.ts';
import type { Draft, OnBug, Waiting } from './waiting.ts';

export type Ask = {
  /**
   * @throws Problem for a refusal, `conflict` after three tries, `overloaded`, `in_doubt`, `key_reused`.
   */
  submit: <
    State extends StreamState,
    Command,
    Event extends DomainEvent,
    Refusal extends { code: ProblemCode },
    Answer,
  >(
    asked: Asked<State, Command, Event, Refusal, Answer>,
  ) => Promise<Answered<Answer>>;
  waitingCommands: () => number;
  /** Takes nothing in any more, and resolves when everything taken in is answered. */
  drain: () => Promise<void>;
};

export function openAsk(options: {
  log: EventLog;
  streams: Streams;
  now: () => Date;
  metrics: AskMetrics;
  onBug: OnBug;
}): Ask {
  const { log, streams, now, metrics, onBug } = options;
  const { enqueue, again, takeAll } = openQueue({ streams, handle: decideAndAppend, onBug });
  const { submit, waitingCommands, drain } = openIntake(enqueue);
  const { informed, admitted } = openRested(streams);
  const decide = openDecide({ informed, admitted, onBug });
  const tryAgain = openTryAgain({ streams, again });
  const answerFromLog = openAnswerFromLog(streams);
  const answerClaimed = openAnswerClaimed({ log, informed, tryAgain, now });
  const answerVerdict = openAnswerVerdict({
    streams,
    again,
    tryAgain,
    answerFromLog,
    answerClaimed,
    onBug,
  });
  const append = openAppend({ log, streams, takeAll, answerVerdict, metrics });
  const { withoutAppend, answerUnwritten } = openUnwritten({
    log,
    decide,
    tryAgain,
    answerFromLog,
    onBug,
  });
  const decideInTurn = openTurn({ decide, withoutAppend, again });

  async function decideAndAppend(batch: readonly Waiting[]): Promise<void> {
    const at = now().toISOString();
    const byStream = new Map<string, Waiting[]>();
    for (const waiting of batch) {
      const together = byStream.get(waiting.asked.stream);
      if (together === undefined) byStream.set(waiting.asked.stream, [waiting]);
      else together.push(waiting);
    }
    const drafts: Draft[][] = [];
    const unwritten: Unwritten[] = [];
    for (const together of byStream.values()) {
      const entry = decideInTurn(together, at, unwritten);
      if (entry.length > 0) drafts.push(entry);
    }
    const appending = drafts.length > 0 ? append(drafts) : Promise.resolve(noStreams);
    await Promise.all([
      appending,
      unwritten.length > 0 ? answerUnwritten(unwritten, appending) : undefined,
    ]);
  }

  return {
    submit: (asked) => submit(asked as unknown as AnyAsked) as Promise<Answered<never>>,
    waitingCommands,
    drain,
  };
}
