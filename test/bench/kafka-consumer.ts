// A consumer as anybody would write one, in a process of its own: how long after its append each event arrives here.
// A parent forks it with the brokers and the topic; it answers `start` and `report`, and ends with its parent.
import { Kafka, logLevel } from 'kafkajs';

/** `start`: count events appended from now on. `report`: tell what came. */
export type ConsumerRequest = { ask: 'start' } | { ask: 'report' };
export type ConsumerReply =
  | { told: 'ready' }
  | { told: 'started' }
  | { told: 'report'; events: number; latenciesMs: number[] };

// A run of a minute at 1,000/s has a third of this; more would only cost memory.
const latenciesMax = 1_000_000;
// Kafka answers a fetch as soon as there is a byte; this is how long it may wait when there is none.
const fetchWaitMs = 100;

async function consume(brokers: string[], topic: string): Promise<void> {
  let sinceMs = Infinity;
  const latenciesMs: number[] = [];
  let events = 0;
  const client = new Kafka({ clientId: 'modelog-bench', brokers, logLevel: logLevel.ERROR });
  const consumer = client.consumer({
    groupId: `modelog-bench-${process.pid}`,
    maxWaitTimeInMs: fetchWaitMs,
    minBytes: 1,
  });
  consumer.on(consumer.events.GROUP_JOIN, () => tell({ told: 'ready' }));
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    console.error(payload.error);
    process.exit(1);
  });
  process.on('message', (request: ConsumerRequest) => {
    if (request.ask === 'start') {
      sinceMs = Date.now();
      tell({ told: 'started' });
    } else tell({ told: 'report', events, latenciesMs });
  });
  process.on('disconnect', () => process.exit(0));

  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    // Its group ends with it. By default a commit for each partition stands between an event and the next fetch.
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const nowMs = Date.now();
      for (const message of batch.messages) {
        // The store's clock when the event was appended, in ms; it runs on the same machine.
        const recordedMs = Date.parse(String(message.headers?.['ce_recordedat']));
        if (Number.isNaN(recordedMs)) throw new Error('a message without ce_recordedat');
        if (recordedMs < sinceMs) continue;
        events += 1;
        if (latenciesMs.length < latenciesMax) latenciesMs.push(nowMs - recordedMs);
      }
    },
  });
}

function tell(reply: ConsumerReply): void {
  process.send?.(reply);
}

if (import.meta.main) {
  const [brokers, topic] = process.argv.slice(2);
  if (brokers === undefined || topic === undefined)
    throw new Error('forked with the brokers, joined by commas, and the topic');
  await consume(brokers.split(','), topic);
}
