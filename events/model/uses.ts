// What holds a version in use, so that it is not archived, deleted or purged.
import type { Use } from './commands.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

/**
 * Everything that keeps a version from being archived, deleted or purged.
 * @param at now, as RFC 3339; a hold whose time is over holds no more
 */
export function usesOf(state: ModelState, version: Version, at: string): Use[] {
  const uses: Use[] = [];
  if (version.stage === 'production') uses.push({ kind: 'production' });
  if (version.is_default && state.model?.default_set_by === 'caller')
    uses.push({ kind: 'default' });
  if (version.activation === 'active') uses.push({ kind: 'active' });
  for (const alias of version.aliases) uses.push({ kind: 'alias', alias });
  for (const { deployment_id, environment, region, status } of version.live)
    uses.push({ kind: 'deployment', deployment_id, environment, region, status });
  for (const binding_id of version.active_bindings) uses.push({ kind: 'binding', binding_id });
  for (const { hold_id, reason, until } of version.holds)
    if (until === null || Date.parse(until) > Date.parse(at))
      uses.push({ kind: 'hold', hold_id, reason, until });
  return uses;
}

/** When these end by themselves, as only holds do; null where one ends by an event alone. */
export function endOfUses(uses: readonly Use[]): string | null {
  let last = '';
  for (const use of uses) {
    if (use.kind !== 'hold' || use.until === null) return null;
    if (use.until > last) last = use.until;
  }
  return last === '' ? null : last;
}

/** When the last use ended that is over at `atMs`: as an event said, or by the time of a hold; 0: there was none. */
export function lastUseEndedMs({ last_used_at, holds }: Version, atMs: number): number {
  const ends = holds
    .map(({ until }) => (until === null ? Number.POSITIVE_INFINITY : Date.parse(until)))
    .filter((endMs) => endMs <= atMs);
  return Math.max(last_used_at === null ? 0 : Date.parse(last_used_at), ...ends);
}

/** What holds the whole model: production, live deployments, active bindings and holds of any version. */
export function usesOfModel(state: ModelState, at: string): (Use & { number: number })[] {
  const holding: ReadonlySet<Use['kind']> = new Set([
    'production',
    'deployment',
    'binding',
    'hold',
  ]);
  return [...state.versions.values()]
    .filter(({ deleted_at }) => deleted_at === null)
    .flatMap((version) =>
      usesOf(state, version, at)
        .filter(({ kind }) => holding.has(kind))
        .map((use) => ({ ...use, number: version.facts.number })),
    );
}
