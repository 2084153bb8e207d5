// Where commands wait for their batch: whatever came while the last one was in flight is the next one.
import { batchBytesMax, batchCommandsMax } from '#events/log.ts';
import type { Folded, Streams, StreamState } from '../streams.ts';
import type { Answered, AnyAsked } from './asked.ts';
import { noRested } from './waiting.ts';
import type { OnBug, Waiting } from './waiting.ts';

export type Queue = {
  /** Lets a command wait once its stream is folded, and resolves to its answer. */
  enqueue: (asked: AnyAsked) => Promise<Answered<unknown>>;
  /** Commands to be decided again come before all that wait. */
  again: (waiting: readonly Waiting[]) => void;
  /** Empties the queue; whoever takes a command out answers it. */
  takeAll: () => readonly Waiting[];
};

const nothingRead: Waiting['caughtUp'] = new Map<string, Folded<StreamState>>();

export function openQueue(deps: {
  streams: Streams;
  /** Answers every command of a batch, or lets it wait again. */
  handle: (batch: readonly Waiting[]) => Promise<void>;
  onBug: OnBug;
}): Queue {
  const { streams, handle, onBug } = deps;
  let queue: Waiting[] = [];
  let running = false;

  function enqueue(asked: AnyAsked): Promise<Answered<unknown>> {
    const loaded = asked.isNew
      ? streams.begin(asked.kind, asked.stream)
      : streams.load(asked.kind, asked.stream);
    return loaded instanceof Promise
      ? loaded.then((folded) => waitFor(asked, folded))
      : waitFor(asked, loaded);
  }

  function waitFor(asked: AnyAsked, folded: Folded<StreamState>): Promise<Answered<unknown>> {
    return new Promise((resolve, reject) => {
      queue.push({
        asked,
        folded,
        tries: 0,
        alone: false,
        rested: noRested,
        caughtUp: nothingRead,
        resolve,
        reject,
      });
      if (!running) void run();
    });
  }

  async function run(): Promise<void> {
    running = true;
    // what arrived in the same turn of the event loop goes into the same batch
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const batch = takeBatch();
      try {
        await handle(batch);
      } catch (error) {
        onBug(error as Error, 'batch');
        for (const waiting of batch) waiting.reject(error as Error);
      }
    }
    running = false;
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < queue.length && count < batchCommandsMax) {
      bytes += queue[count]!.asked.bytes ?? 0;
      if (bytes > batchBytesMax && count > 0) break;
      count++;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  return {
    enqueue,
    again(waiting) {
      queue.unshift(...waiting);
      if (!running) void run();
    },
    takeAll() {
      const all = queue;
      queue = [];
      return all;
    },
  };
}
