// Through whose hands a key or a role came: who gave it, who had given them what they gave it with, and so on back.

export type Hand = {
  subject: string;
  /** The registry's own, by which everything begins. */
  isRegistry: boolean;
  /** Those who gave what this one gave it with, as it was then: what is revoked later was in their hands all the same. */
  behind: readonly Hand[];
};

/**
 * Everybody through whose hands it came. The registry's own count where they gave it themselves only: somewhere behind
 * everybody there is the first key.
 */
export function subjectsBehind(hands: readonly Hand[]): ReadonlySet<string> {
  const all = new Set(hands);
  // what is added on the way is come to
  for (const { behind } of all) for (const hand of behind) if (!hand.isRegistry) all.add(hand);
  return new Set([...all].map(({ subject }) => subject));
}
