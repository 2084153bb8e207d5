// Parts of commands that say as little as possible.
import type { Common, NewVersion } from '#events/model/commands.ts';
import { openPolicy } from '#events/policy/policy.ts';
import { noVersionFacts, versionId } from './history.ts';

/** A version that nothing is said about, but what the test says. */
export const newVersion = (
  number: number,
  {
    facts,
    ...said
  }: Partial<Omit<NewVersion, 'facts'>> & { facts?: Partial<NewVersion['facts']> } = {},
): NewVersion => ({
  version_id: versionId(number),
  stage: 'development',
  readiness: 'training',
  is_default: false,
  ...said,
  facts: { ...noVersionFacts, ...facts },
});

/** What every command has, where the test does not care: an admin asks, and nothing was ever set as policy. */
export const commonAt = (at: string): Common => ({
  at,
  reason: null,
  asker: { subject: 'zoë', type: 'user', declared_by: null, role: 'admin', granted_by: [] },
  in_force: openPolicy,
});
