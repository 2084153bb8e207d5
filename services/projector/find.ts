// Finds one model or version as callers name them: many questions of one moment become one query a way of naming.
import { isDigits, isUuid } from '#events/names.ts';
import { maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import type { Model } from '#events/model/model-row.ts';
import type { Stage } from '#events/model/shapes.ts';
import type { Version } from '#events/model/version-row.ts';
import { coalesce } from '#infra/postgres/coalesce.ts';
import type { Reader } from './reader.ts';

/** One query looks up so many models or versions at most. */
const keysMax = 500;
/** One query reads so many whole versions at most, some 20 MB. */
const newestMax = 10_000;
/** Serials and numbers are 32-bit. */
export const integerMax = 2_147_483_647;

/** What a version's or a deployment's answer shows of its model. */
type ModelPlace = Place & {
  model_id: string;
  name: string;
  is_deleted: boolean;
  stream_version: number;
  position: number;
};

type FoundVersion = { model: ModelPlace; version: Version | null };

/** For whom something is looked up. */
type Caller = Pick<Principal, 'tenant' | 'sees'>;

export type Find = {
  /** By an exact name, an id or a serial; null where there is none that the caller may see. */
  model: (caller: Caller, model: string) => Promise<Model | null>;
  /** By number, label, id, `default`, `latest` or `@alias` under its model; null where there is no such model. */
  version: (caller: Caller, model: string, version: string) => Promise<FoundVersion | null>;
  /** The newest versions of a model that are not deleted, the last one first, so many at most. */
  newestVersions: (model_id: string, count: number) => Promise<Version[]>;
  /** The version of a model that came to a stage last, with the model, both of one moment. */
  inStage: (
    caller: Caller,
    model: string,
    stage: Stage,
  ) => Promise<{ model: Model; version: Version | null } | null>;
};

/** How a model is matched; a name can be neither digits nor a UUID, so its form tells what it is. Deleted ones have no name. */
const modelMatches = {
  name: 'm.name = k.model and not m.is_deleted',
  id: 'm.model_id = k.model::uuid',
  serial: 'm.serial = k.model::integer',
} as const;
type ModelBy = keyof typeof modelMatches;

/** Of deleted ones, only the id leads to the tombstone. */
const versionMatches = {
  number: 'v.number = k.version::integer and not v.is_deleted',
  label: 'v.label = k.version and not v.is_deleted',
  id: 'v.version_id = k.version::uuid',
  alias: `v.number = (m.state::json -> 'aliases' ->> substr(k.version, 2))::integer`,
  default: `v.number = (m.state::json ->> 'default_number')::integer`,
  latest: `v.stage <> 'archived' and not v.is_deleted`,
} as const;
type VersionBy = keyof typeof versionMatches;

function modelBy(model: string): ModelBy {
  if (isUuid(model)) return 'id';
  return isDigits(model) ? 'serial' : 'name';
}

function versionBy(version: string): VersionBy {
  if (version === 'default' || version === 'latest') return version;
  if (isUuid(version)) return 'id';
  if (version.startsWith('@')) return 'alias';
  return isDigits(version) ? 'number' : 'label';
}

/** No row has a number beyond this, and asking for it would be a fault of the statement. */
const isPossible = (digits: string): boolean => !isDigits(digits) || Number(digits) <= integerMax;

type ModelKey = { tenant: string; model: string };
type VersionKey = ModelKey & { version: string };

export function openFind(reader: Reader): Find {
  const findModels = (by: ModelBy) =>
    coalesce<ModelKey, Model | null>(keysMax, async (keys) => {
      const rows = await reader.rows<{ nth: number; state: string }>({
        name: `model by ${by}`,
        text: `select k.nth::integer, f.state
               from unnest($1::text[], $2::text[]) with ordinality k(tenant, model, nth),
                 lateral (select m.state from views.models_gN m
                          where m.tenant = k.tenant and ${modelMatches[by]} limit 1) f`,
        values: [keys.map(({ tenant }) => tenant), keys.map(({ model }) => model)],
      });
      const found: (Model | null)[] = keys.map(() => null);
      for (const { nth, state } of rows) found[nth - 1] = JSON.parse(state) as Model;
      return found;
    });

  const findVersions = (by: ModelBy, which: VersionBy) =>
    coalesce<VersionKey, FoundVersion | null>(keysMax, async (keys) => {
      const rows = await reader.rows<
        { nth: number; state: string | null } & Omit<ModelPlace, 'position'> & { position: string }
      >({
        name: `version by ${by} and ${which}`,
        text: `select k.nth::integer, m.model_id, m.name, m.is_deleted, m.team, m.project, m.stream_version, m.position, f.state
               from unnest($1::text[], $2::text[], $3::text[]) with ordinality k(tenant, model, version, nth),
                 lateral (select * from views.models_gN m
                          where m.tenant = k.tenant and ${modelMatches[by]} limit 1) m
                 left join lateral (select v.state from views.versions_gN v
                          where v.model_id = m.model_id and ${versionMatches[which]}
                          order by v.number desc limit 1) f on true`,
        values: [
          keys.map(({ tenant }) => tenant),
          keys.map(({ model }) => model),
          keys.map(({ version }) => version),
        ],
      });
      const found: (FoundVersion | null)[] = keys.map(() => null);
      for (const { nth, state, position, ...model } of rows)
        found[nth - 1] = {
          model: { ...model, position: Number(position) },
          version: state === null ? null : (JSON.parse(state) as Version),
        };
      return found;
    });

  const findNewest = (count: number) =>
    coalesce<string, Version[]>(Math.min(keysMax, Math.ceil(newestMax / count)), async (ids) => {
      const rows = await reader.rows<{ nth: number; state: string }>({
        name: 'newest versions',
        text: `select k.nth::integer, v.state
               from unnest($1::uuid[]) with ordinality k(model_id, nth),
                 lateral (select state, number from views.versions_gN
                          where model_id = k.model_id and not is_deleted
                          order by number desc limit $2) v
               order by k.nth, v.number desc`,
        values: [ids, count],
      });
      const found: Version[][] = ids.map(() => []);
      for (const { nth, state } of rows) found[nth - 1]!.push(JSON.parse(state) as Version);
      return found;
    });

  const modelFinders = {
    name: findModels('name'),
    id: findModels('id'),
    serial: findModels('serial'),
  };
  const versionFinders = new Map<string, ReturnType<typeof findVersions>>();
  const newestFinders = new Map<number, ReturnType<typeof findNewest>>();

  return {
    async model(caller, model) {
      if (!isPossible(model)) return null;
      const { tenant } = caller;
      const found = await modelFinders[modelBy(model)]({ tenant, model });
      return found !== null && maySee(caller, found) ? found : null;
    },

    version: async (caller, model, version) => {
      if (!isPossible(model)) return null;
      // A number that no version can have still tells whether there is such a model.
      const asked = isPossible(version) ? version : '0';
      const by = modelBy(model);
      const which = versionBy(asked);
      const name = `${by} ${which}`;
      const find = versionFinders.get(name) ?? findVersions(by, which);
      versionFinders.set(name, find);
      const found = await find({ tenant: caller.tenant, model, version: asked });
      return found !== null && maySee(caller, found.model) ? found : null;
    },

    newestVersions: (model_id, count) => {
      const find = newestFinders.get(count) ?? findNewest(count);
      newestFinders.set(count, find);
      return find(model_id);
    },

    async inStage(caller, model, stage) {
      if (!isPossible(model)) return null;
      const by = modelBy(model);
      const [row] = await reader.rows<{ model: string; version: string | null }>({
        name: `version in a stage by ${by}`,
        text: `select m.state as model, f.state as version
               from (values ($1::text, $2::text)) k(tenant, model),
                 lateral (select * from views.models_gN m
                          where m.tenant = k.tenant and ${modelMatches[by]} limit 1) m
                 left join lateral (select v.state from views.versions_gN v
                          where v.model_id = m.model_id and v.stage = $3 and not v.is_deleted
                          order by v.state::json ->> 'stage_changed_at' desc, v.number desc limit 1) f on true`,
        values: [caller.tenant, model, stage],
      });
      if (row === undefined) return null;
      const found = JSON.parse(row.model) as Model;
      const version = row.version === null ? null : (JSON.parse(row.version) as Version);
      return maySee(caller, found) ? { model: found, version } : null;
    },
  };
}
