// A command that was decided on what the log no longer says reads the delta and is decided again, three times in all.
import { Problem } from '#infra/http/problems.ts';
import type { Streams } from '../streams.ts';
import type { Queue } from './queue.ts';
import type { Waiting } from './waiting.ts';

/** How often a command is decided before its client is told that the model is too busy. */
const triesMax = 3;

export type TryAgain = (waiting: Waiting) => Promise<void>;

export const openTryAgain =
  ({ streams, again }: { streams: Streams; again: Queue['again'] }): TryAgain =>
  async (waiting) => {
    try {
      if (++waiting.tries >= triesMax) throw new Problem('conflict', { tries: triesMax });
      await Promise.all([
        streams.catchUp(waiting.asked.kind, waiting.folded),
        ...waiting.rested.map(({ kind, folded }) => streams.catchUp(kind, folded)),
      ]);
      waiting.caughtUp = new Map(waiting.rested.map(({ folded }) => [folded.stream, folded]));
      again([waiting]);
    } catch (error) {
      waiting.reject(error as Error);
    }
  };
