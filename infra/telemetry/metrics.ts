// The process's metrics: one registry, handed to whoever counts something.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A registry with the runtime's own metrics. */
export function openMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Of connections to the database that a process shares among its questions. */
export type PoolCounts = { totalCount: number; idleCount: number; waitingCount: number };

/** How many connections there are, and how many questions wait for one. */
export function poolGauges(registry: Registry, pool: PoolCounts): void {
  const connections: Gauge = new Gauge({
    name: 'modelog_database_connections',
    help: 'Connections of the shared pool, by whether a question is under way on them',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      connections.set({ state: 'idle' }, pool.idleCount);
      connections.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
    },
  });
  const waiting: Gauge = new Gauge({
    name: 'modelog_database_waiting',
    help: 'Questions that wait for a connection of the shared pool',
    registers: [registry],
    collect: () => waiting.set(pool.waitingCount),
  });
}

/** What is measured of every HTTP request. */
export type RequestMetrics = {
  observe: (method: string, route: string, status: number, seconds: number) => void;
};

type Child = { observe: (seconds: number) => void };

const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function requestMetrics(registry: Registry): RequestMetrics {
  const duration = new Histogram({
    name: 'registry_request_duration_seconds',
    help: 'Time from receiving a request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: requestSeconds,
    registers: [registry],
  });
  const errors = new Counter({
    name: 'registry_errors_total',
    help: 'Answers of 4xx and 5xx, by status',
    labelNames: ['type'],
    registers: [registry],
  });
  // resolving labels costs more than counting, and there are few combinations: routes are patterns, not paths
  const children = new Map<string, Map<string, Map<number, Child>>>();
  const newChild = (method: string, route: string, status: number): Child => {
    const ofRoute = children.get(route) ?? new Map<string, Map<number, Child>>();
    const ofMethod = ofRoute.get(method) ?? new Map<number, Child>();
    const child = duration.labels({ method, route, status });
    children.set(route, ofRoute.set(method, ofMethod.set(status, child)));
    return child;
  };
  return {
    observe(method, route, status, seconds) {
      const child =
        children.get(route)?.get(method)?.get(status) ?? newChild(method, route, status);
      child.observe(seconds);
      if (status >= 400) errors.inc({ type: String(status) });
    },
  };
}
