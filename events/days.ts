// Days, in which policies say how long something holds.

export const dayMs = 24 * 60 * 60 * 1000;

/** The time so many days after another, both ISO 8601 in UTC. */
export const daysAfter = (at: string, days: number): string =>
  new Date(Date.parse(at) + days * dayMs).toISOString();

/** Whether a time's year is one that JSON, PostgreSQL and people write in the same four digits. NaN is no time. */
export const isOrdinaryTime = (ms: number): boolean =>
  ms >= 0 && ms <= Date.parse('9999-12-31T23:59:59.999Z');
