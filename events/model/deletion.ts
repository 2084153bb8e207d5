// Tombstones: a deleted model frees its name and may come back; a deleted version never does, nor its number and label.
import type { Decision } from '../decider.ts';
import type { Common, ModelCommand, ModelRefusal, Use } from './commands.ts';
import type { ModelEvent } from './events.ts';
import type { Model } from './model-row.ts';
import { keysAsParent, keysOfParents } from './lineage.ts';
import { handingOver, versionRef } from './release.ts';
import type { ModelState } from './state.ts';
import { usesOf, usesOfModel } from './uses.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

export function deleteModel(state: ModelState, { at, reason }: Common): Outcome {
  const { model_id, name } = state.model!;
  const blocking = usesOfModel(state, at);
  if (blocking.length > 0) return { refusal: { code: 'in_use', number: null, blocking } };
  return { events: [{ type: 'model.deleted', data: { model_id, name, reason } }] };
}

/** The name is taken again by its claim; another may be given where somebody else has it by now. */
export function restoreModel(
  model: Model,
  { name, reason }: Extract<ModelCommand, { type: 'RestoreModel' }>,
): Outcome {
  if (model.state !== 'deleted')
    // what lives is renamed by a change of it
    return name === null || name === model.name
      ? { events: [] }
      : { refusal: { code: 'immutable', fields: ['name'] } };
  return {
    events: [
      {
        type: 'model.restored',
        data: {
          model_id: model.model_id,
          name: name ?? model.name,
          previous_name: model.name,
          reason,
        },
      },
    ],
  };
}

/** Living versions of the same model that were made from this one, as their lineage names it. */
function childrenOf(state: ModelState, { tenant, facts }: Version): Use[] {
  const keys = new Set(keysAsParent(tenant, facts, state.model!.name));
  return [...state.versions.values()]
    .filter(
      (other) =>
        other.deleted_at === null &&
        other.facts.number !== facts.number &&
        keysOfParents(tenant, other.facts).some((key) => keys.has(key)),
    )
    .map(({ facts: child }) => ({
      kind: 'child',
      version_id: child.version_id,
      child_number: child.number,
    }));
}

export function deleteVersion(
  state: ModelState,
  version: Version,
  { at, reason }: Common,
): Outcome {
  if (version.deleted_at !== null) return { events: [] };
  const blocking = [...usesOf(state, version, at), ...childrenOf(state, version)];
  if (blocking.length > 0)
    return { refusal: { code: 'in_use', number: version.facts.number, blocking } };
  return {
    events: [
      ...handingOver(state, version, null),
      {
        type: 'version.deleted',
        data: {
          ...versionRef(version),
          from_stage: version.stage,
          from_readiness: version.readiness,
          reason,
        },
      },
    ],
  };
}
