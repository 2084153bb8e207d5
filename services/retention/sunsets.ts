// Which announced ends of versions have come without anybody having been told: a pure function of a model's state and the time.
import { sunsetAlert } from '#events/model/alert-row.ts';
import type { ModelState } from '#events/model/state.ts';
import type { GiveOrder, OrderOutcome } from './order.ts';

/** An announced end that has come. */
export type ReachedSunset = { model_id: string; number: number; sunset_at: string };

type Sunsets = {
  reached: readonly ReachedSunset[];
  /** When the next one comes, if nothing happens; null where none is announced. */
  next_at: string | null;
};

export function sunsetsOf({ versions, alerts }: ModelState, now: Date): Sunsets {
  const reached: ReachedSunset[] = [];
  let next: string | null = null;
  for (const { facts, stage, sunset_at, deleted_at } of versions.values()) {
    if (stage !== 'deprecated' || sunset_at === null || deleted_at !== null) continue;
    const { model_id, number } = facts;
    if (alerts.has(sunsetAlert(number))) continue;
    if (sunset_at <= now.toISOString()) reached.push({ model_id, number, sunset_at });
    else if (next === null || sunset_at < next) next = sunset_at;
  }
  return { reached, next_at: next };
}

/** Orders that an alert be raised. @throws OrderFailed */
export type RaiseSunset = (
  order: { sunset: ReachedSunset; decidedOn: number },
  signal: AbortSignal,
) => Promise<OrderOutcome>;

export const raiseSunsetBy =
  (order: GiveOrder): RaiseSunset =>
  async ({ sunset: { model_id, number, sunset_at }, decidedOn }, signal) =>
    await order(
      {
        path: `/models/${model_id}/versions/${number}/sunset`,
        body: { sunset_at },
        decidedOn,
        decision: `${model_id} ${number} sunset ${sunset_at}`,
      },
      signal,
    );
