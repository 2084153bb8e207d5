// What the command API counts: batches, the queue, and (in the relay) how far Kafka is behind.
import type { ModelEventData } from '#events/model/events.ts';
import { Counter, Gauge, Histogram } from '#infra/telemetry/metrics.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import type { AskMetrics } from './ask/append.ts';

/** From a kilobyte to ten gigabytes. */
const artifactSizeBytes = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
const batchCommands = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const appendSeconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2];

/** @param count how many event streams are open */
export function eventStreamsGauge(registry: Registry, count: () => number): void {
  const streams: Gauge = new Gauge({
    name: 'modelog_event_streams',
    help: 'Open streams of events',
    registers: [registry],
    collect: () => streams.set(count()),
  });
}

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
  const artifactSizes = new Histogram({
    name: 'registry_artifact_sizes_bytes',
    help: 'Sizes that new versions were recorded with',
    buckets: artifactSizeBytes,
    registers: [registry],
  });
  const promotions = new Counter({
    name: 'registry_promotions_total',
    help: 'Promotions, by the stage that was reached',
    labelNames: ['to_stage'],
    registers: [registry],
  });
  const depth: Gauge = new Gauge({
    name: 'modelog_command_queue_depth',
    help: 'Commands taken in and not answered yet',
    registers: [registry],
    collect: () => depth.set(waitingCommands()),
  });
  return {
    recorded(events) {
      for (const event of events)
        if (event.type === 'model.versioned') {
          const { size_bytes } = event.data as ModelEventData<'model.versioned'>;
          if (size_bytes !== null) artifactSizes.observe(size_bytes);
        } else if (event.type === 'model.promoted')
          promotions.inc({ to_stage: (event.data as ModelEventData<'model.promoted'>).to_stage });
    },
    batch(commands, elapsed) {
      size.observe(commands);
      seconds.observe(elapsed);
    },
  };
}
