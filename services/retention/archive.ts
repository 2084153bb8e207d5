// Orders that a version be archived, with the rule that let go of it.
import type { DueVersion } from './due.ts';
import type { GiveOrder, OrderOutcome } from './order.ts';

type ArchiveOrder = {
  model_id: string;
  version: DueVersion;
  /** The stream version that was judged; the order is void at any other. */
  decidedOn: number;
};

/** @throws OrderFailed */
export type ArchiveVersion = (order: ArchiveOrder, signal: AbortSignal) => Promise<OrderOutcome>;

export const archiveBy =
  (order: GiveOrder): ArchiveVersion =>
  async ({ model_id, version, decidedOn }, signal) => {
    const { version_id, number, cause, rule, due_at } = version;
    return await order(
      {
        path: `/models/${model_id}/versions/${number}/archive`,
        body: { reason: reasonOf(version), cause, rule, plan_id: null },
        decidedOn,
        decision: `${version_id} ${rule.type} ${due_at}`,
      },
      signal,
    );
  };

/** Why, for a person who reads the timeline. */
function reasonOf({ rule }: DueVersion): string {
  switch (rule.type) {
    case 'age_days':
      return `unused for ${rule.measured} days, kept for ${rule.limit}`;
    case 'sunset':
      return `past its sunset of ${rule.limit}`;
    case 'count':
      return `number ${rule.measured} from the newest, of which ${rule.limit} are kept`;
  }
}
