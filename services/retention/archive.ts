// Orders that a version be archived, with the rule that let go of it.
import type { PolicyVersions } from '#events/model/commands.ts';
import type { DueVersion } from '#events/model/due.ts';
import type { GiveOrder, OrderOutcome } from './order.ts';

type ArchiveOrder = {
  model_id: string;
  version: DueVersion;
  /** The policies that were judged by; the order is void under any other. */
  judgedBy: PolicyVersions;
  /** The stream version that was judged; the order is void at any other. */
  decidedOn: number;
};

/** @throws OrderFailed */
export type ArchiveVersion = (order: ArchiveOrder, signal: AbortSignal) => Promise<OrderOutcome>;

export const archiveBy =
  (order: GiveOrder): ArchiveVersion =>
  async ({ model_id, version, judgedBy, decidedOn }, signal) => {
    const { version_id, number, cause, rule, due_at } = version;
    return await order(
      {
        path: `/models/${model_id}/versions/${number}/archive`,
        body: { reason: reasonOf(version), cause, rule, judged_by: judgedBy },
        decidedOn,
        decision: [version_id, rule.type, due_at, ...judgedBy.map((one) => one.version)].join(' '),
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
