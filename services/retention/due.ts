// What is due to be archived, and why: a pure function of a model's state, the policy and the time.
import type { ModelEventData } from '#events/model/events.ts';
import type { Stage } from '#events/model/shapes.ts';
import { usesOf } from '#events/model/uses.ts';
import type { ModelState } from '#events/model/state.ts';
import type { Version } from '#events/model/version-row.ts';

const dayMs = 24 * 60 * 60 * 1000;

export const newestKeptMin = 1;
export const newestKeptMax = 10;

/** How long an unused version stays, and how many of the newest stay whatever their age. */
export type RetentionPolicy = {
  ageDays: {
    development: number;
    staging: number;
    deprecated: number;
    /** Deprecated, and once in production. */
    retired: number;
  };
  /** Counted by number among versions that are not archived, those in use included. */
  newestKept: number;
};

/** The ages of the domain; document [2] and [4] agree on them or keep shorter. */
export const defaultPolicy = (newestKept: number): RetentionPolicy => ({
  ageDays: { development: 30, staging: 90, deprecated: 90, retired: 365 },
  newestKept,
});

/** No version is due sooner than this after its creation or its last use. */
export const shortestAgeMs = ({ ageDays }: RetentionPolicy): number =>
  Math.min(...Object.values(ageDays)) * dayMs;

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
type KeptVersion = {
  version_id: string;
  number: number;
  because: 'in_use' | 'newest' | 'age' | 'sunset';
  until: string | null;
};

export type Judgement = {
  due: readonly DueVersion[];
  kept: readonly KeptVersion[];
  /** The earliest `until`: nothing is due before it unless an event comes. */
  next_due_at: string | null;
};

/** Judges every version that is not archived; a version is due when neither its age nor its rank keeps it. */
export function due(state: ModelState, policy: RetentionPolicy, now: Date): Judgement {
  const living = [...state.versions.values()]
    .filter((version) => version.stage !== 'archived' && version.deleted_at === null)
    .sort((left, right) => right.facts.number - left.facts.number);
  const dueVersions: DueVersion[] = [];
  const kept: KeptVersion[] = [];
  let nextDueMs = Number.POSITIVE_INFINITY;
  living.forEach((version, newerVersions) => {
    const { version_id, number } = version.facts;
    const keep = (because: KeptVersion['because'], until: string | null) =>
      kept.push({ version_id, number, because, until });
    const uses = usesOf(state, version, now.toISOString());
    if (uses.length > 0) {
      const ends = uses.map((use) => (use.kind === 'hold' ? use.until : null));
      // holds end by themselves, everything else by an event
      const until = ends.reduce((last, end) =>
        last === null || end === null ? null : end > last ? end : last,
      );
      if (until !== null) nextDueMs = Math.min(nextDueMs, Date.parse(until));
      return keep('in_use', until);
    }
    if (newerVersions < policy.newestKept) return keep('newest', null);
    const age = ageRule(version, policy, now);
    // The version whose arrival made this one too many, as far as the living ones tell.
    const displacer = living[newerVersions - policy.newestKept]!;
    const outnumberedMs = Date.parse(displacer.created_at);
    const dueMs = Math.max(age.endMs, outnumberedMs);
    const due_at = new Date(dueMs).toISOString();
    if (dueMs > now.getTime()) {
      nextDueMs = Math.min(nextDueMs, dueMs);
      return keep(age.rule.type === 'sunset' ? 'sunset' : 'age', due_at);
    }
    return dueVersions.push(
      age.endMs >= outnumberedMs
        ? { version_id, number, due_at, cause: 'retention_age', rule: age.rule }
        : {
            version_id,
            number,
            due_at,
            cause: 'retention_count',
            rule: { type: 'count', limit: policy.newestKept, measured: newerVersions + 1 },
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
  { ageDays }: RetentionPolicy,
  now: Date,
): { endMs: number; rule: Rule } {
  const sinceMs = Math.max(
    Date.parse(version.created_at),
    version.last_used_at === null ? 0 : Date.parse(version.last_used_at),
  );
  const limit = ageLimitDays(version, ageDays);
  const endMs = sinceMs + limit * dayMs;
  const sunset = version.stage === 'deprecated' ? version.sunset_at : null;
  if (sunset !== null && Date.parse(sunset) > endMs)
    return {
      endMs: Date.parse(sunset),
      rule: { type: 'sunset', limit: sunset, measured: now.toISOString() },
    };
  const measured = Math.floor((now.getTime() - sinceMs) / dayMs);
  return { endMs, rule: { type: 'age_days', limit, measured } };
}

function ageLimitDays(version: Version, ageDays: RetentionPolicy['ageDays']): number {
  const limits: Record<Stage, number> = {
    development: ageDays.development,
    staging: ageDays.staging,
    production: Number.POSITIVE_INFINITY,
    deprecated: version.was_in_production ? ageDays.retired : ageDays.deprecated,
    archived: Number.POSITIVE_INFINITY,
  };
  return limits[version.stage];
}
