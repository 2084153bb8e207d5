// Which deployments have gone without a report for too long: a pure function of a model's state, the limit and the time.
import type { ModelState } from '#events/model/state.ts';

const hourMs = 60 * 60 * 1_000;

/** A deployment to give up waiting for. */
export type OverdueDeployment = {
  deployment_id: string;
  status: 'requested' | 'deploying';
  /** When its time was over. */
  due_at: string;
  timeoutHours: number;
};

type Overdue = {
  overdue: readonly OverdueDeployment[];
  /** When the next one will be, if nothing is reported; null where none waits. */
  next_due_at: string | null;
};

export const timeoutMs = (timeoutHours: number): number => timeoutHours * hourMs;

/** The time runs from the request, and anew from the report that it has begun. */
export function overdue(state: ModelState, timeoutHours: number, now: Date): Overdue {
  const due: OverdueDeployment[] = [];
  let nextDueMs = Number.POSITIVE_INFINITY;
  for (const { deployment_id, status, updated_at } of state.deployments.values()) {
    if (status !== 'requested' && status !== 'deploying') continue;
    const dueMs = Date.parse(updated_at) + timeoutMs(timeoutHours);
    if (dueMs > now.getTime()) nextDueMs = Math.min(nextDueMs, dueMs);
    else due.push({ deployment_id, status, due_at: new Date(dueMs).toISOString(), timeoutHours });
  }
  return {
    overdue: due,
    next_due_at: nextDueMs === Number.POSITIVE_INFINITY ? null : new Date(nextDueMs).toISOString(),
  };
}
