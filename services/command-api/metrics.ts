// What the command API counts: batches, the queue, and (in the relay) how far Kafka is behind.
import { Gauge, Histogram } from '#infra/telemetry/metrics.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import type { AskMetrics } from './ask.ts';

const batchCommands = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const appendSeconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2];

export function askMetrics(registry: Registry, waitingCommands: () => number): AskMetrics {
  const size = new Histogram({
    name: 'modelog_append_batch_commands',
    help: 'Commands in an append',
    buckets: batchCommands,
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'modelog_append_seconds',
    help: 'Time of an append',
    buckets: appendSeconds,
    registers: [registry],
  });
  const depth: Gauge = new Gauge({
    name: 'modelog_command_queue_depth',
    help: 'Commands taken in and not answered yet',
    registers: [registry],
    collect: () => depth.set(waitingCommands()),
  });
  return {
    batch(commands, _events, elapsed) {
      size.observe(commands);
      seconds.observe(elapsed);
    },
  };
}
