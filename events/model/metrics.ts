// Metrics of a version: stored as a list with splits, written and shown as maps.
import type { ModelEventData } from './events.ts';

export type Metric = ModelEventData<'model.versioned'>['metrics'][number];

/** One value a name: the one without a split, else test, else validation, else training. */
export function flatMetrics(metrics: readonly Metric[]): Record<string, number> {
  const flat: Record<string, number> = {};
  for (const split of ['training', 'validation', 'test', null] as const)
    for (const metric of metrics) if (metric.split === split) flat[metric.name] = metric.value;
  return flat;
}

/** Only the splits that were measured. */
export function metricsBySplit(metrics: readonly Metric[]): Record<string, Record<string, number>> {
  const bySplit: Record<string, Record<string, number>> = {};
  for (const { name, split, value } of metrics)
    if (split !== null) (bySplit[split] ??= {})[name] = value;
  return bySplit;
}
