// Runs the projection in a thread of its own, so that folding and writing rows never delays an answer.
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { KafkaSettings } from '#infra/kafka/open.ts';
import type { BrokerFailure } from '#infra/kafka/port.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { Observer, Projection } from './projection.ts';

/** The rows kept in memory and a few batches fit in well; a larger heap is only collected later. */
const heapYoungMb = 48;
const heapOldMb = 256;

/** What a thread is started with; plain data. */
export type ThreadSettings = {
  databaseUrl: string;
  kafka: KafkaSettings | null;
  logLevel: string;
};

/** What the thread tells: each call of the observer, its state, or that its consumer ended by itself. */
export type ThreadMessage =
  | { [Call in keyof Observer]: { call: Call; with: Parameters<Observer[Call]> } }[keyof Observer]
  | { state: Projection['state'] }
  | { crashed: BrokerFailure };

/**
 * Starts the thread. An error that nobody there has caught ends the process, as one here would: whoever watches it starts
 * it anew.
 */
export function projectInThread(options: {
  settings: ThreadSettings;
  observer: Observer;
  onCrash: (error: BrokerFailure) => void;
  logger: Logger;
}): Projection {
  const { settings, observer, onCrash, logger } = options;
  // The flag that this process was started with has shaped its own heap; of a thread's it would outweigh the limit below.
  setFlagsFromString('--max-semi-space-size=0');
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: settings,
    resourceLimits: { maxYoungGenerationSizeMb: heapYoungMb, maxOldGenerationSizeMb: heapOldMb },
  });
  let state: Projection['state'] = 'connecting';
  worker.on('message', (message: ThreadMessage) => {
    if ('state' in message) state = message.state;
    else if ('crashed' in message) onCrash(message.crashed);
    else tell(observer, message);
  });
  worker.on('error', (error) => {
    logger.fatal({ err: error }, 'the projection ended by a bug');
    throw error;
  });
  return {
    get state() {
      return state;
    },
    async stop() {
      const ended = once(worker, 'exit');
      worker.postMessage('stop');
      await ended;
      state = 'stopped';
    },
  };
}

function tell(observer: Observer, message: Extract<ThreadMessage, { call: string }>): void {
  switch (message.call) {
    case 'serving':
      return observer.serving(...message.with);
    case 'claimed':
      return observer.claimed(...message.with);
    case 'changed':
      return observer.changed(...message.with);
    case 'applied':
      return observer.applied(...message.with);
    case 'reached':
      return observer.reached(...message.with);
  }
}
