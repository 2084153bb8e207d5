// Which versions of other models were made from what is to be deleted: they do not hinder it, and the answer warns of them.
import { maySee } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import type { EventLog } from '#events/log.ts';
import type { VersionRef } from '#events/model/commands.ts';
import { namesAsParent } from '#events/model/lineage.ts';
import type { ModelState } from '#events/model/state.ts';
import { findVersionOrTombstone } from '#events/model/version-ref.ts';
import type { Version } from '#events/model/version-row.ts';
import { modelKind } from './kinds.ts';
import type { Found } from './resolve.ts';
import type { Streams } from './streams.ts';

/** Children that are looked at; a warning of more says no more. */
const childrenMax = 200;
/** Of a model, children of so many of its newest versions are looked for. */
const parentsMax = 1_000;
/** Streams that are folded beside each other. */
const foldsAtOnce = 8;

/** For the description of a route that deletes. */
export const warnsOfChildren =
  'Versions of other models that were made from it do not hinder it: `warnings` names them, as `children_in_other_models` (docs/insight.md).';

type Child = {
  model_id: string;
  model_name: string;
  version_id: string;
  number: number;
  label: string | null;
  version: string;
};

type Warning = {
  code: 'children_in_other_models';
  /** Those that the caller may see. */
  children: Child[];
  /** Of all, also those that the caller may not see. */
  count: number;
  /** There may be still others. */
  more: boolean;
};

/** What an answer holds beside the resource; nothing where there is nothing to warn of. */
type Warned = { warnings?: Warning[] };

export type WarnOfChildren = (
  principal: Principal,
  found: Found,
  /** Null: every version of the model. */
  version: VersionRef | null,
) => Promise<Warned>;

export function openWarnOfChildren(deps: {
  log: Pick<EventLog, 'findChildren'>;
  streams: Streams;
}): WarnOfChildren {
  const { log, streams } = deps;

  async function stateOf(stream: string): Promise<ModelState> {
    const folded = await streams.load(modelKind, stream);
    await streams.catchUp(modelKind, folded);
    return folded.state;
  }

  return async (principal, found, version) => {
    // a name that is remembered may have gone to another model
    const stream = found.foundBy === undefined ? found.stream : await found.foundBy.again();
    const state = await stateOf(stream);
    const { model } = state;
    // what is not there, or not for the caller to see, is refused by the command
    if (model === null || !maySee(principal, model)) return {};
    const parents = parentsIn(state, version);
    const names = parents
      .slice(-parentsMax)
      .flatMap(({ facts }) => namesAsParent(facts, model.name));
    if (names.length === 0) return {};
    const made = await log.findChildren(principal.tenant, names, stream, childrenMax + 1);
    const looked = made.slice(0, childrenMax);
    const children: Child[] = [];
    let count = 0;
    const others = [...new Set(looked.map((child) => child.stream))];
    for (let first = 0; first < others.length; first += foldsAtOnce) {
      const together = others.slice(first, first + foldsAtOnce);
      const states = await Promise.all(together.map(stateOf));
      for (const [nth, other] of states.entries()) {
        const living = looked
          .filter((child) => child.stream === together[nth])
          .map(({ number }) => other.versions.get(number)!)
          .filter(({ deleted_at }) => deleted_at === null && other.model!.state !== 'deleted');
        count += living.length;
        if (maySee(principal, other.model!))
          children.push(...living.map((child) => childOf(other.model!, child)));
      }
    }
    if (count === 0) return {};
    const more = made.length > childrenMax || parents.length > parentsMax;
    return { warnings: [{ code: 'children_in_other_models', children, count, more }] };
  };
}

function parentsIn(state: ModelState, version: VersionRef | null): Version[] {
  if (version === null)
    return [...state.versions.values()].filter(({ deleted_at }) => deleted_at === null);
  const found = findVersionOrTombstone(state, version);
  return found === null ? [] : [found];
}

const childOf = ({ name }: { name: string }, { facts }: Version): Child => ({
  model_id: facts.model_id,
  model_name: name,
  version_id: facts.version_id,
  number: facts.number,
  label: facts.label,
  version: facts.label ?? String(facts.number),
});
