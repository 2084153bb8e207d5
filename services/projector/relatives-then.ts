// What versions were made from and what was made from them as of then, by models that were folded up to then, under the names of then.
import { keysOfParents } from '#events/model/lineage.ts';
import type { ParentRef } from '#events/model/lineage.ts';
import { findVersionOrTombstone } from '#events/model/version-ref.ts';
import type { VersionRef } from '#events/model/commands.ts';
import { isDigits } from '#events/names.ts';
import type { ModelThen } from '#infra/as-of.ts';
import { isDeleted } from './listed-model.ts';
import { parentsByKey } from './relatives.ts';
import type { Relative, Relatives } from './relatives.ts';

/** @param models every model of then that the caller may see, deleted ones too */
export function relativesThen(models: readonly ModelThen[]): Relatives {
  const modelById = new Map<string, ModelThen>();
  const modelByName = new Map<string, ModelThen>();
  const modelByVersionId = new Map<string, ModelThen>();
  const childrenByKey = new Map<string, Relative[]>();
  for (const state of models) {
    const { tenant, model_id, name } = state.model;
    modelById.set(model_id, state);
    if (!isDeleted(state.model)) modelByName.set(name, state);
    for (const version of state.versions.values()) {
      modelByVersionId.set(version.facts.version_id, state);
      const child = { model_id, model_name: name, is_deleted: isDeleted(state.model), version };
      for (const key of keysOfParents(tenant, version.facts)) {
        const children = childrenByKey.get(key);
        if (children === undefined) childrenByKey.set(key, [child]);
        else children.push(child);
      }
    }
  }

  function modelOf(ref: ParentRef): ModelThen | undefined {
    if (ref.by === 'id') return modelByVersionId.get(ref.version_id);
    return ref.by === 'own' ? modelById.get(ref.model_id) : modelByName.get(ref.model);
  }

  function parentOf(ref: ParentRef): Relative | null {
    const state = modelOf(ref);
    const version = state === undefined ? null : findVersionOrTombstone(state, versionRefOf(ref));
    if (state === undefined || version === null) return null;
    return {
      model_id: state.model.model_id,
      model_name: state.model.name,
      is_deleted: isDeleted(state.model),
      version,
    };
  }

  return {
    parents: (_caller, refs) => Promise.resolve(refs.map(parentOf)),

    children({ tenant }, of, most) {
      const parentsOf = new Map<Relative, Set<Relative>>();
      for (const [key, parent] of parentsByKey(tenant, of))
        for (const child of childrenByKey.get(key) ?? [])
          parentsOf.set(child, (parentsOf.get(child) ?? new Set()).add(parent));
      const found = [...parentsOf].toSorted(([left], [right]) => inOrder(left, right));
      const children = found
        .slice(0, most.named)
        .flatMap(([{ version, ...of_model }, parents], nth) =>
          of
            .filter((parent) => parents.has(parent))
            .map((parent) => ({
              parent,
              ...of_model,
              number: version.facts.number,
              label: version.facts.label,
              version: nth < most.whole ? version : null,
            })),
        );
      return Promise.resolve({ children, areAll: found.length <= most.named });
    },
  };
}

function versionRefOf(ref: ParentRef): VersionRef {
  if (ref.by === 'id') return ref;
  return isDigits(ref.version)
    ? { by: 'number', number: Number(ref.version) }
    : { by: 'label', label: ref.version };
}

/** As the views tell children. */
function inOrder(left: Relative, right: Relative): number {
  if (left.model_id !== right.model_id) return left.model_id < right.model_id ? -1 : 1;
  return left.version.facts.number - right.version.facts.number;
}
