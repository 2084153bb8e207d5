// A batch's append: what was decided goes to the log in one call, and every command hears of its verdict.
import { LogUnavailable } from '#events/log.ts';
import type { AppendEntry, EventLog, Verdict } from '#events/log.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Streams } from '../streams.ts';
import type { Queue } from './queue.ts';
import { restedOf } from './rested.ts';
import type { AnswerVerdict } from './verdict.ts';
import type { Draft } from './waiting.ts';

/** What is counted of the batches. */
export type AskMetrics = {
  batch: (commands: number, seconds: number) => void;
  recorded: (events: readonly RecordedEvent[]) => void;
};

/** @returns the streams to which something was appended, which shows that the memory was not behind the log */
export type Append = (drafts: readonly Draft[][]) => Promise<ReadonlySet<string>>;

export const noStreams: ReadonlySet<string> = new Set();

export function openAppend(deps: {
  log: EventLog;
  streams: Streams;
  takeAll: Queue['takeAll'];
  answerVerdict: AnswerVerdict;
  metrics: AskMetrics;
}): Append {
  const { log, streams, takeAll, answerVerdict, metrics } = deps;
  return async (drafts) => {
    const entries = drafts.map((entry): AppendEntry => ({
      stream: entry[0]!.waiting.asked.stream,
      tenant: entry[0]!.waiting.asked.tenant,
      expected_version: entry[0]!.waiting.folded.state.stream_version,
      decided_on: restedOf(entry),
      commands: entry.map((draft) => draft.append),
    }));
    const startedAt = performance.now();
    let verdicts: Verdict[][];
    try {
      verdicts = await log.append(entries);
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      // nobody knows what the streams look like now
      for (const entry of entries) streams.forget(entry.stream);
      for (const { waiting } of drafts.flat())
        waiting.reject(
          new Problem(error.inDoubt ? 'in_doubt' : 'overloaded', {}, { cause: error }),
        );
      // who waited behind them would wait as long again, and a client must hear within 2 s
      for (const waiting of takeAll())
        waiting.reject(new Problem('overloaded', {}, { cause: error }));
      return noStreams;
    }
    const current = new Set<string>();
    let commands = 0;
    for (const [index, entry] of drafts.entries())
      for (const [nth, draft] of entry.entries()) {
        const verdict = verdicts[index]![nth]!;
        commands++;
        if (verdict.verdict === 'appended') {
          metrics.recorded(verdict.events);
          current.add(draft.waiting.asked.stream);
        }
        answerVerdict(draft.waiting, verdict, entry.length);
      }
    metrics.batch(commands, (performance.now() - startedAt) / 1000);
    return current;
  };
}
