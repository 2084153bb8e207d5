// What the log's verdict on a command means for it: its answer, its refusal, or another try.
import type { Verdict } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Streams } from '../streams.ts';
import type { AnswerFromLog } from './answer-from-log.ts';
import type { Queue } from './queue.ts';
import type { AnswerClaimed } from './taken-name.ts';
import type { TryAgain } from './try-again.ts';
import type { OnBug, Waiting } from './waiting.ts';

export type AnswerVerdict = (waiting: Waiting, verdict: Verdict, commandsOfEntry: number) => void;

export function openAnswerVerdict(deps: {
  streams: Streams;
  again: Queue['again'];
  tryAgain: TryAgain;
  answerFromLog: AnswerFromLog;
  answerClaimed: AnswerClaimed;
  onBug: OnBug;
}): AnswerVerdict {
  const { streams, again, tryAgain, answerFromLog, answerClaimed, onBug } = deps;
  return (waiting, verdict, commandsOfEntry) => {
    const { asked, folded } = waiting;
    switch (verdict.verdict) {
      case 'appended':
        try {
          // somebody else may have read what was appended here, and more, from the log already
          if (folded.state.stream_version !== verdict.stream_version - verdict.events.length) {
            const { stream } = asked;
            void answerFromLog(waiting, { ...verdict, stream, status: asked.status }, false);
            return;
          }
          if (verdict.events.length > 0) streams.apply(asked.kind, folded, verdict.events);
          waiting.resolve({
            answer: asked.answer(folded.state, verdict.events),
            status: asked.status,
            stream_version: verdict.stream_version,
            position: verdict.position,
            duplicate: false,
            would_write: null,
          });
        } catch (error) {
          streams.forget(asked.stream);
          onBug(error as Error, 'answer');
          waiting.reject(error as Error);
        }
        return;
      case 'duplicate':
        void answerFromLog(waiting, verdict, true);
        return;
      case 'key_reused':
        waiting.reject(new Problem('key_reused'));
        return;
      case 'undecided':
        again([waiting]);
        return;
      case 'claimed':
        void answerClaimed(waiting);
        return;
      case 'conflict':
        void tryAgain(waiting);
        return;
      case 'failed':
        if (commandsOfEntry > 1) {
          waiting.alone = true;
          again([waiting]);
          return;
        }
        onBug(verdict.error, 'append');
        waiting.reject(new Problem('internal', {}, { cause: verdict.error }));
        return;
    }
  };
}
