// Days, in which policies say how long something holds.

export const dayMs = 24 * 60 * 60 * 1000;

/** The time so many days after another, both ISO 8601 in UTC. */
export const daysAfter = (at: string, days: number): string =>
  new Date(Date.parse(at) + days * dayMs).toISOString();
