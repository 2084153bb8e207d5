// Parts of commands that say as little as possible.
import type { NewVersion } from '#events/model/commands.ts';
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
