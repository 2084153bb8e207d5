// What the projector counts: its batches, how far its views are behind, what is parked, and what the registry holds.
import { Counter, Gauge, Histogram } from '#infra/telemetry/metrics.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { totalOf } from './totals.ts';
import type { Totals } from './totals.ts';
import type { View } from './views/view.ts';

/** How far the views are behind the log. */
type Lag = { events: number; seconds: number };

/** What is asked for when somebody reads the metrics. */
export type Measured = { lag: Lag; parkedStreams: number; totals: Totals };

export type ProjectorMetrics = { batch: (events: number, durationMs: number) => void };

/** Gauges of one reading ask once. */
const measuredForMs = 50;

/** Frameworks that have a label of their own; what tenants call others is their affair. */
const knownFrameworks: ReadonlySet<string> = new Set([
  'jax',
  'keras',
  'lightgbm',
  'onnx',
  'pytorch',
  'sklearn',
  'tensorflow',
  'transformers',
  'xgboost',
]);

/** @param measure asks the databases; if it fails, the gauges keep what they had, and `onError` is told */
export function projectorMetrics(
  registry: Registry,
  views: readonly View[],
  measure: () => Promise<Measured>,
  onError: (error: unknown) => void,
): ProjectorMetrics {
  const registers = [registry];
  const batchEvents = new Histogram({
    name: 'modelog_projector_batch_events',
    help: 'Events applied in one transaction',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    registers,
  });
  const batchSeconds = new Histogram({
    name: 'modelog_projector_batch_seconds',
    help: 'Time to fold and commit a batch',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
  const applied = new Counter({
    name: 'modelog_projector_events_total',
    help: 'Events read by the projector',
    registers,
  });

  let measured: Promise<void> | null = null;
  const refresh = (): Promise<void> => {
    measured ??= measure()
      .then(show, onError)
      .finally(() => setTimeout(() => (measured = null), measuredForMs).unref());
    return measured;
  };
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> =>
    new Gauge<Label>({ name, help, labelNames: [...labelNames], registers, collect: refresh });
  const lagEvents = gauge(
    'modelog_projector_lag_events',
    'Events of the log that the view does not hold yet',
    ['view'],
  );
  const lagSeconds = gauge(
    'modelog_projector_lag_seconds',
    'Age of the oldest event that the view does not hold yet',
    ['view'],
  );
  const parkedStreams = gauge(
    'modelog_parked_streams',
    'Streams with an event that cannot be applied',
  );
  const models = gauge('registry_total_models', 'Models');
  const versions = gauge('registry_total_versions', 'Versions');
  const activeDeployments = gauge('registry_active_deployments', 'Deployments that are deployed');
  const modelsByFramework = gauge('registry_models_by_framework', 'Models by framework', [
    'framework',
  ]);
  const versionsByStage = gauge('registry_versions_by_stage', 'Versions by stage', ['stage']);

  function show({ lag, parkedStreams: parked, totals }: Measured): void {
    for (const { name } of views) {
      lagEvents.set({ view: name }, lag.events);
      lagSeconds.set({ view: name }, lag.seconds);
    }
    parkedStreams.set(parked);
    models.set(totalOf(totals, 'models'));
    versions.set(totalOf(totals, 'versions'));
    activeDeployments.set(totalOf(totals, 'deployments_active'));
    modelsByFramework.reset();
    for (const [framework, count] of Object.entries(totals.models_by_framework ?? {}))
      modelsByFramework.inc(
        { framework: knownFrameworks.has(framework) ? framework : 'other' },
        count,
      );
    versionsByStage.reset();
    for (const [stage, count] of Object.entries(totals.versions_by_stage ?? {}))
      versionsByStage.set({ stage }, count);
  }

  return {
    batch: (events, durationMs) => {
      applied.inc(events);
      batchEvents.observe(events);
      batchSeconds.observe(durationMs / 1_000);
    },
  };
}
