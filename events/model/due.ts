// What is due to be archived, and why: a pure function of a model's state, the policy and the time.
import { dayMs } from '../days.ts';
import { ageDaysMin } from '../policy/retention.ts';
import type { Retention } from '../policy/retention.ts';
import type { Use } from './commands.ts';
import type { ModelEventData } from './events.ts';
import type { Stage } from './shapes.ts';
import type { ModelState } from './state.ts';
import { endOfUses, lastUseEndedMs, usesOf } from './uses.ts';
import type { Version } from './version-row.ts';

/** No version is due sooner than this after its creation or its last use, whatever policy says. */
export const shortestAgeMs = ageDaysMin * dayMs;

/** What let go of a version, as it stands in `model.archived`. A count measures the rank from the newest, from 1. */
type Rule =
  | { type: 'age_days'; limit: number; measured: number }
  | { type: 'count'; limit: number; measured: number }
  | { type: 'sunset'; limit: string; measured: string };

/** A version to archive now. `due_at` is when the last rule that kept it let go; `rule` is that rule. */
export type DueVersion = {
  version_id: string;
  number: number;
  due_at: string;
  cause: Extract<ModelEventData<'model.archived'>['cause'], 'retention_age' | 'retention_count'>;
  rule: Rule;
};

/** A version that stays: `until` is when it becomes due if nothing happens, null if only an event can change that. */
export type KeptVersion = {
  version_id: string;
  number: number;
  because: 'in_use' | 'newest' | 'age' | 'sunset';
  until: string | null;
  /** What it is in use by. */
  uses: readonly Use[];
};

export type Judgement = {
  due: readonly DueVersion[];
  kept: readonly KeptVersion[];
  /** The earliest `until`: nothing is due before it unless an event comes. */
  next_due_at: string | null;
};

/** Judges every version that is not archived; a version is due when neither its age nor its rank keeps it. */
export function due(state: ModelState, retention: Retention, now: Date): Judgement {
  const { newest_kept } = retention;
  const living = [...state.versions.values()]
    .filter((version) => version.stage !== 'archived' && version.deleted_at === null)
    .sort((left, right) => right.facts.number - left.facts.number);
  const dueVersions: DueVersion[] = [];
  const kept: KeptVersion[] = [];
  let nextDueMs = Number.POSITIVE_INFINITY;
  living.forEach((version, newerVersions) => {
    const { version_id, number } = version.facts;
    const uses = usesOf(state, version, now.toISOString());
    const keep = (because: KeptVersion['because'], until: string | null) =>
      kept.push({ version_id, number, because, until, uses });
    const isUsed = uses.length > 0;
    // holds end by themselves, everything else by an event
    const unusedAt = isUsed ? endOfUses(uses) : now.toISOString();
    if (unusedAt === null || newerVersions < newest_kept)
      return keep(isUsed ? 'in_use' : 'newest', null);
    const age = ageRule(version, retention, new Date(unusedAt));
    // The version whose arrival made this one too many, as far as the living ones tell.
    const displacer = living[newerVersions - newest_kept]!;
    const outnumberedMs = Date.parse(displacer.created_at);
    const dueMs = Math.max(age.endMs, outnumberedMs);
    const due_at = new Date(dueMs).toISOString();
    if (dueMs > now.getTime()) {
      nextDueMs = Math.min(nextDueMs, dueMs);
      const because = age.rule.type === 'sunset' ? 'sunset' : 'age';
      return keep(isUsed ? 'in_use' : because, due_at);
    }
    return dueVersions.push(
      age.endMs >= outnumberedMs
        ? { version_id, number, due_at, cause: 'retention_age', rule: age.rule }
        : {
            version_id,
            number,
            due_at,
            cause: 'retention_count',
            rule: { type: 'count', limit: newest_kept, measured: newerVersions + 1 },
          },
    );
  });
  return {
    due: dueVersions,
    kept,
    next_due_at: nextDueMs === Number.POSITIVE_INFINITY ? null : new Date(nextDueMs).toISOString(),
  };
}

/** When age, or an announced sunset where that is later, stops keeping a version; `measured` is as of `now`. */
function ageRule(
  version: Version,
  { age_days }: Retention,
  now: Date,
): { endMs: number; rule: Rule } {
  const sinceMs = Math.max(Date.parse(version.created_at), lastUseEndedMs(version, now.getTime()));
  const limit = ageLimitDays(version, age_days);
  const endMs = sinceMs + limit * dayMs;
  // an announced end prolongs the age of what is deprecated; where no age is kept there is none to prolong
  const sunset = version.stage === 'deprecated' && limit > 0 ? version.sunset_at : null;
  if (sunset !== null && Date.parse(sunset) > endMs)
    return {
      endMs: Date.parse(sunset),
      rule: { type: 'sunset', limit: sunset, measured: now.toISOString() },
    };
  const measured = Math.floor((now.getTime() - sinceMs) / dayMs);
  return { endMs, rule: { type: 'age_days', limit, measured } };
}

function ageLimitDays(version: Version, ageDays: Retention['age_days']): number {
  const limits: Record<Stage, number> = {
    development: ageDays.development,
    staging: ageDays.staging,
    production: Number.POSITIVE_INFINITY,
    deprecated: version.was_in_production ? ageDays.retired : ageDays.deprecated,
    archived: Number.POSITIVE_INFINITY,
  };
  return limits[version.stage];
}
