// Which promotion requests still wait, so that the policy's hand looks at them: they may be over, staled or agreed to.
import type { ModelState } from '#events/model/state.ts';
import type { GiveOrder, OrderOutcome } from './order.ts';

/** A policy that changes elsewhere is seen within so long, where nobody looks at the request before. */
const lookEveryMs = 60 * 60 * 1_000;

type WaitingRequests = {
  ids: readonly string[];
  /** When to look again: when the first is over, but within the hour; null where none waits. */
  next_look_at: string | null;
};

export function waitingRequests({ promotionRequests }: ModelState, now: Date): WaitingRequests {
  const ids: string[] = [];
  let next = new Date(now.getTime() + lookEveryMs).toISOString();
  for (const { promotion_request_id, state, expires_at } of promotionRequests.values()) {
    if (state !== 'open') continue;
    ids.push(promotion_request_id);
    if (expires_at > now.toISOString() && expires_at < next) next = expires_at;
  }
  return { ids, next_look_at: ids.length === 0 ? null : next };
}

/** @throws OrderFailed */
export type SettleRequest = (
  order: { promotion_request_id: string; decidedOn: number },
  signal: AbortSignal,
) => Promise<OrderOutcome>;

export const settleBy =
  (order: GiveOrder): SettleRequest =>
  async ({ promotion_request_id, decidedOn }, signal) =>
    await order(
      {
        path: `/promotion-requests/${promotion_request_id}/settle`,
        body: {},
        decidedOn,
        decision: `${promotion_request_id} settled`,
      },
      signal,
    );
