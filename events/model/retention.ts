// Orders of retention: what goes and what stays, and the events of one append.
import type { Decision } from '../decider.ts';
import type { Retention } from '../policy/retention.ts';
import type { ModelCommand, ModelRefusal, Use } from './commands.ts';
import { due } from './due.ts';
import type { DueVersion, KeptVersion } from './due.ts';
import type { ModelEvent } from './events.ts';
import { archiving } from './release.ts';
import { afterwards } from './state.ts';
import type { ModelState } from './state.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

/** So many versions are archived in one append at most; a longer order takes several. */
export const archivedMax = 100;
/** So many kept versions are recorded with an order, which keeps the event far below the log's limit. */
const keptRecordedMax = 1_000;

/** A version that an order leaves, and why: what `due` says, or that a policy keeps it past the count of the order. */
export type LeftVersion = {
  version_id: string;
  number: number;
  because: KeptVersion['because'] | 'policy_newest' | 'policy_age' | 'policy_sunset';
  /** When it would go if nothing happens; null if only an event can change that. */
  until: string | null;
  uses: readonly Use[];
};
export type OrderJudged = { archive: readonly DueVersion[]; keep: readonly LeftVersion[] };

/** What an order is about: everything beyond so many of the newest whatever its age, or null: what is due by policy. */
export type OrderScope = { retention_count: number | null };

/** @param retention what policy keeps: for an order by count only what an admin has set */
export function judgeOrder(
  state: ModelState,
  { retention_count: count }: OrderScope,
  retention: Retention,
  now: Date,
): OrderJudged {
  const judged = due(state, retention, now);
  if (count === null) return { archive: judged.due, keep: judged.kept };
  const rankOf = new Map(
    [...judged.due, ...judged.kept]
      .map(({ number }) => number)
      .toSorted((left, right) => right - left)
      .map((number, index) => [number, index + 1]),
  );
  const isNewest = ({ number }: { number: number }): boolean => rankOf.get(number)! <= count;
  const newest = judged.due.filter(isNewest).map(({ version_id, number }): LeftVersion => ({
    version_id,
    number,
    because: 'newest',
    until: null,
    uses: [],
  }));
  const kept = judged.kept.map((version): LeftVersion => {
    if (version.because === 'in_use') return version;
    if (isNewest(version)) return { ...version, because: 'newest', until: null };
    return { ...version, because: `policy_${version.because}` };
  });
  return {
    archive: judged.due
      .filter((version) => !isNewest(version))
      .map(({ version_id, number }) => ({
        version_id,
        number,
        due_at: now.toISOString(),
        cause: 'retention_count',
        rule: { type: 'count', limit: count, measured: rankOf.get(number)! },
      })),
    keep: [...newest, ...kept].toSorted((left, right) => right.number - left.number),
  };
}

/** Archives the oldest first, at most `archivedMax` of them; what is already so writes nothing. */
export function applyRetention(
  state: ModelState,
  command: Extract<ModelCommand, { type: 'ApplyRetention' }>,
): Outcome {
  const { numbers, plan_id, retention_count, at, in_force } = command;
  const isMeant = ({ number }: { number: number }): boolean => numbers?.includes(number) ?? true;
  const judged = judgeOrder(state, command, in_force.policy.retention, new Date(at));
  const chosen = judged.archive
    .filter(isMeant)
    .toSorted((left, right) => left.number - right.number)
    .slice(0, archivedMax);
  if (chosen.length === 0) return { events: [] };
  const archive = (from: ModelState, { number, cause, rule }: DueVersion): ModelEvent[] =>
    archiving(from, from.versions.get(number)!, { cause, rule, plan_id }, command, null);
  const isDefault = ({ number }: DueVersion): boolean => state.versions.get(number)!.is_default;
  const events = chosen
    .filter((version) => !isDefault(version))
    .flatMap((version) => archive(state, version));
  // the default goes last, and to a version that stays
  const last = chosen.find(isDefault);
  if (last !== undefined) events.push(...archive(afterwards(state, events, at), last));
  return {
    events: [
      ...events,
      {
        type: 'retention.applied',
        data: {
          model_id: state.model!.model_id,
          plan_id,
          retention_count,
          archived: chosen.map(({ number }) => number),
          kept: judged.keep
            .filter(isMeant)
            .slice(0, keptRecordedMax)
            .map(({ number, because }) => ({ number, because })),
        },
      },
    ],
  };
}
