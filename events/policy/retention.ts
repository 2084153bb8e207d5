// How long versions stay that nothing uses: what the registry keeps by itself, what a scope says, and how scopes merge.

export const newestKeptMin = 1;
export const newestKeptMax = 10;
/** No scope lets go of a version sooner, so that whoever made or used it has a day; due times rest on it. */
export const ageDaysMin = 1;

const retentionAges = ['development', 'staging', 'deprecated', 'retired', 'archived'] as const;
type RetentionAge = (typeof retentionAges)[number];

/** A version stays while either its age or its rank keeps it: the rule that keeps longer wins. */
export type Retention = {
  /**
   * Days since the later of creation and last use, by stage; `retired`: deprecated, and once in production. `archived` are days
   * since then, before which its bytes may not be purged.
   */
  age_days: Readonly<Record<RetentionAge, number>>;
  /** So many of the newest stay whatever their age: by number, among those not archived, those in use counted. */
  newest_kept: number;
};

/** What one scope says; what it does not say stays as the wider ones have it. */
export type OwnRetention = {
  age_days?: Readonly<Partial<Record<RetentionAge, number>>>;
  newest_kept?: number;
};

/** New parts; null takes one back. */
export type RetentionPatch = {
  age_days?: { [Age in RetentionAge]?: number | null | undefined } | null | undefined;
  newest_kept?: number | null | undefined;
};

/** What is kept where no scope says otherwise: the ages of the domain, and as many as the registry is set up for. */
export const registryRetention = (newestKept = 3): Retention => ({
  age_days: { development: 30, staging: 90, deprecated: 90, retired: 365, archived: 1_095 },
  newest_kept: newestKept,
});

/**
 * Nothing is kept by the registry itself: an order is held to what an admin has set, and to nothing else. The bytes of what it
 * archives stay as long as any.
 */
export const nothingKept: Retention = {
  age_days: {
    ...registryRetention().age_days,
    development: 0,
    staging: 0,
    deprecated: 0,
    retired: 0,
  },
  newest_kept: 0,
};

/** What a scope says in full: on top of what is there without it. */
export const inFull = (own: OwnRetention, without: Retention): Retention => ({
  age_days: { ...without.age_days, ...own.age_days },
  newest_kept: own.newest_kept ?? without.newest_kept,
});

/** Nothing is kept shorter than either says. */
export function longer(left: Retention, right: Retention): Retention {
  const age = (stage: RetentionAge) => Math.max(left.age_days[stage], right.age_days[stage]);
  return {
    age_days: {
      development: age('development'),
      staging: age('staging'),
      deprecated: age('deprecated'),
      retired: age('retired'),
      archived: age('archived'),
    },
    newest_kept: Math.max(left.newest_kept, right.newest_kept),
  };
}

/** What a scope says after a patch; undefined where it says nothing any more. */
export function patchedRetention(
  own: OwnRetention | undefined,
  patch: RetentionPatch,
): OwnRetention | undefined {
  const { age_days: ages, newest_kept: newest = own?.newest_kept } = patch;
  const said: [RetentionAge, number][] = [];
  for (const stage of retentionAges) {
    const days = ages === null ? null : (ages?.[stage] ?? own?.age_days?.[stage] ?? null);
    if (days !== null && ages?.[stage] !== null) said.push([stage, days]);
  }
  const next: OwnRetention = {
    ...(said.length > 0 && { age_days: Object.fromEntries(said) }),
    ...(newest !== null && newest !== undefined && { newest_kept: newest }),
  };
  return Object.keys(next).length === 0 ? undefined : next;
}
