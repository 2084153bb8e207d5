// Custom names of versions: each names one version of the model at a time.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { ModelEvent } from './events.ts';
import { versionRef } from './release.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

/** So many aliases a model has at most. */
const aliasesMax = 100;

/** The number that an alias names; null for none. */
export const aliased = ({ model }: ModelState, alias: string): number | null =>
  model !== null && Object.hasOwn(model.aliases, alias) ? model.aliases[alias]! : null;

export function setAlias(
  state: ModelState,
  version: Version,
  { alias, in_force }: Extract<ModelCommand, { type: 'SetAlias' }>,
): Outcome {
  const { stage, facts } = version;
  const previous = aliased(state, alias);
  if (previous === facts.number) return { events: [] };
  if (stage === 'deprecated' || stage === 'archived')
    return { refusal: { code: 'version_retired', number: facts.number, stage, wanted: 'alias' } };
  if (in_force.policy.protected_pointers.includes('aliases') && stage !== 'production')
    return {
      refusal: { code: 'pointer_protected', pointer: 'aliases', number: facts.number, stage },
    };
  if (previous === null && Object.keys(state.model!.aliases).length >= aliasesMax)
    return { refusal: { code: 'too_many_aliases', most: aliasesMax } };
  return {
    events: [
      {
        type: 'alias.set',
        data: {
          ...versionRef(version),
          alias,
          previous_version_id:
            previous === null ? null : state.versions.get(previous)!.facts.version_id,
          previous_number: previous,
        },
      },
    ],
  };
}

export function removeAlias(
  state: ModelState,
  { alias, reason }: Extract<ModelCommand, { type: 'RemoveAlias' }>,
): Outcome {
  const number = aliased(state, alias);
  if (number === null) return { refusal: { code: 'alias_not_found', alias } };
  return {
    events: [
      {
        type: 'alias.removed',
        data: { ...versionRef(state.versions.get(number)!), alias, reason },
      },
    ],
  };
}
