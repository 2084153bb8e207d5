// Orders that a deployment nobody reports on be given up: it fails with that cause, and an alert is raised.
import type { GiveOrder, OrderOutcome } from './order.ts';
import type { OverdueDeployment } from './overdue.ts';

type TimeOutOrder = { deployment: OverdueDeployment; decidedOn: number };

/** @throws OrderFailed */
export type TimeOutDeployment = (order: TimeOutOrder, signal: AbortSignal) => Promise<OrderOutcome>;

export const timeOutBy =
  (order: GiveOrder): TimeOutDeployment =>
  async ({ deployment, decidedOn }, signal) => {
    const { deployment_id, status, due_at, timeoutHours } = deployment;
    return await order(
      {
        path: `/deployments/${deployment_id}/status`,
        body: {
          status: 'failed',
          cause: 'timed_out',
          reason: `${status} without a report for ${timeoutHours} hours`,
        },
        decidedOn,
        decision: `${deployment_id} timed_out ${due_at}`,
      },
      signal,
    );
  };
