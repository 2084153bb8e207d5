// Finds what versions were made from, and what was made from them, as far as the caller may see.
import { LRUCache } from 'lru-cache';
import { maySee, namesOf } from '#events/access.ts';
import type { Place } from '#events/access.ts';
import { keysAsParent } from '#events/model/lineage.ts';
import type { ParentRef } from '#events/model/lineage.ts';
import type { Version } from '#events/model/version-row.ts';
import { isDigits } from '#events/names.ts';
import type { Caller } from './answers.ts';
import { integerMax } from './find.ts';
import type { Reader } from './reader.ts';

/** Of what was read, so many characters are kept with what they say: some two thousand versions. */
const readCharactersMax = 4_000_000;

/** A version and the name that its model has now, or had when it was deleted. */
export type Relative = {
  model_id: string;
  model_name: string;
  /** Its model was deleted: by the name it is found no more, and another one may have it. */
  is_deleted: boolean;
  version: Version;
};

/** The keys by which a version is named as a parent. */
export const keysOf = (
  tenant: string,
  { model_name, is_deleted, version }: Relative,
): readonly string[] => keysAsParent(tenant, version.facts, is_deleted ? null : model_name);

/** A child by its names, with the one of its parents that was asked about. */
export type Child = {
  parent: Relative;
  model_id: string;
  model_name: string;
  is_deleted: boolean;
  number: number;
  label: string | null;
  /** The version whole; null beyond as many as were asked for whole. */
  version: Version | null;
};

export type Relatives = {
  /** In the order of the references; null where there is none, or the caller may not see it. */
  parents: (caller: Caller, refs: readonly ParentRef[]) => Promise<(Relative | null)[]>;
  /** A child of two of the versions is there twice. `areAll`: there are no more. */
  children: (
    caller: Caller,
    of: readonly Relative[],
    most: { named: number; whole: number },
  ) => Promise<{ children: Child[]; areAll: boolean }>;
};

/**
 * Children by the keys `$1` of their parents. They are found before they are put in order: where the planner does not know the
 * keys, it would go through all versions in that order to come to the limit.
 */
export const childrenText = `
  with named as materialized (
    select model_id, number, label, parents, state from views.versions_gN where parents && $1::text[])
  select v.model_id, m.name as model_name, m.is_deleted, v.number, v.label, v.parents,
    case when row_number() over (order by v.model_id, v.number) <= $6 then v.state end as state
  from named v,
    lateral (select tenant, name, is_deleted, team, project from views.models_gN where model_id = v.model_id limit 1) m
  where m.tenant = $2 and ($3::text[] is null or m.team = any($3) or m.project = any($4))
  order by v.model_id, v.number limit $5`;

export function openRelatives(reader: Reader): Relatives {
  /** By the text in its row: whoever looks at lineages looks at the same versions again, and they are found in each other's. */
  const read = new LRUCache<string, Version>({
    maxSize: readCharactersMax,
    sizeCalculation: (_, state) => state.length,
  });

  function versionOf(state: string): Version {
    const known = read.get(state);
    if (known !== undefined) return known;
    const version = JSON.parse(state) as Version;
    read.set(state, version);
    return version;
  }

  function relativeOf(model_name: string, is_deleted: boolean, state: string): Relative {
    const version = versionOf(state);
    return { model_id: version.facts.model_id, model_name, is_deleted, version };
  }

  return {
    async parents(caller, refs) {
      const found: (Relative | null)[] = refs.map(() => null);
      if (refs.length === 0) return found;
      const versions = refs.map((ref) => (ref.by === 'id' ? null : ref.version));
      const numberOf = (text: string | null): number | null =>
        text !== null && isDigits(text) && Number(text) <= integerMax ? Number(text) : null;
      const rows = await reader.rows<
        { nth: number; name: string; is_deleted: boolean; state: string } & Place
      >({
        name: 'parents of versions',
        text: `select r.nth::integer, m.name, m.is_deleted, m.team, m.project, v.state
               from unnest($2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::text[])
                   with ordinality r(version_id, own_id, model_name, number, label, nth)
                 left join lateral (select n.model_id from views.models_gN n
                   where n.tenant = $1 and n.name = r.model_name and not n.is_deleted limit 1) named on true,
                 lateral (
                   select model_id, state from views.versions_gN
                     where tenant = $1 and version_id = r.version_id
                   union all select model_id, state from views.versions_gN
                     where model_id = coalesce(r.own_id, named.model_id) and number = r.number
                   union all select model_id, state from views.versions_gN
                     where model_id = coalesce(r.own_id, named.model_id) and label = r.label) v,
                 lateral (select name, is_deleted, team, project from views.models_gN
                   where model_id = v.model_id and tenant = $1 limit 1) m`,
        values: [
          caller.tenant,
          refs.map((ref) => (ref.by === 'id' ? ref.version_id : null)),
          refs.map((ref) => (ref.by === 'own' ? ref.model_id : null)),
          refs.map((ref) => (ref.by === 'name' ? ref.model : null)),
          versions.map(numberOf),
          versions.map((text) => (text === null || isDigits(text) ? null : text)),
        ],
      });
      for (const { nth, name, is_deleted, state, ...place } of rows)
        if (maySee(caller, place)) found[nth - 1] = relativeOf(name, is_deleted, state);
      return found;
    },

    async children({ tenant, sees }, of, most) {
      const byKey = parentsByKey(tenant, of);
      type Row = Omit<Child, 'parent' | 'version'> & { parents: string[]; state: string | null };
      const rows = await reader.rows<Row>({
        name: 'children of versions',
        text: childrenText,
        values: [
          [...byKey.keys()],
          tenant,
          sees && namesOf(sees, 'team'),
          sees && namesOf(sees, 'project'),
          most.named + 1,
          most.whole,
        ],
      });
      const nthOf = new Map(of.map((parent, nth) => [parent, nth]));
      const children = rows.slice(0, most.named).flatMap(({ parents, state, ...child }) => {
        const version = state === null ? null : versionOf(state);
        const named = new Set(parents.flatMap((key) => byKey.get(key) ?? []));
        return [...named]
          .toSorted((one, other) => nthOf.get(one)! - nthOf.get(other)!)
          .map((parent) => ({ ...child, version, parent }));
      });
      return { children, areAll: rows.length <= most.named };
    },
  };
}

/** Versions by every key under which a child may name them. */
export const parentsByKey = (tenant: string, of: readonly Relative[]): Map<string, Relative> =>
  new Map(of.flatMap((parent) => keysOf(tenant, parent).map((key) => [key, parent] as const)));
