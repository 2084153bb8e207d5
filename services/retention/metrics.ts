// What retention counts: models whose time has come, versions archived and why, and how far behind the events it is.
import { Counter, Gauge } from '#infra/telemetry/metrics.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import type { Lag } from './consume.ts';

export type RetentionMetrics = {
  due: (models: number) => void;
  archived: (cause: string) => void;
  timedOut: () => void;
  failed: () => void;
};

export function retentionMetrics(registry: Registry, lag: () => Lag): RetentionMetrics {
  const registers = [registry];
  const due = new Gauge({
    name: 'modelog_retention_due',
    help: 'Models waiting to be looked at, when the last sweep began',
    registers,
  });
  const archived = new Counter({
    name: 'modelog_retention_archived_total',
    help: 'Versions archived by retention, by the rule that let go of them last',
    labelNames: ['cause'],
    registers,
  });
  const timedOut = new Counter({
    name: 'modelog_deployments_timed_out_total',
    help: 'Deployments that nobody reported on in time, and that were given up',
    registers,
  });
  const failed = new Counter({
    name: 'modelog_retention_failed_total',
    help: 'Models that could not be looked at to the end',
    registers,
  });
  const lagEvents: Gauge = new Gauge({
    name: 'modelog_retention_lag_events',
    help: 'Events that retention has not read yet',
    registers,
    collect: () => lagEvents.set(lag().events),
  });
  const lagSeconds: Gauge = new Gauge({
    name: 'modelog_retention_lag_seconds',
    help: 'How far behind the newest event the last one read is',
    registers,
    collect: () => lagSeconds.set(lag().seconds),
  });
  return {
    due: (models) => due.set(models),
    archived: (cause) => archived.inc({ cause }),
    timedOut: () => timedOut.inc(),
    failed: () => failed.inc(),
  };
}
