// The row of the model itself, with what must be known of all its versions at once.
import { assert } from '../decider.ts';
import type { Actor, RecordedEvent } from '../envelope.ts';
import type { ModelEventData, ModelEventHandlers, RecordedModelEvent } from './events.ts';
import { existing } from './row.ts';
import type { NoRow } from './row.ts';
import type { Stage } from './shapes.ts';

/** So many displaced versions are remembered for rollbacks in a row; more by naming the version. */
const rollbackDepthMax = 100;

/** The model itself, with what must be known of all its versions at once. Times are RFC 3339. */
export type Model = ModelEventData<'model.registered'> & {
  tenant: string;
  state: 'active' | 'inactive' | 'deleted';
  default_number: number | null;
  default_version_id: string | null;
  default_set_by: 'registry' | 'caller' | null;
  /** The highest number ever given. */
  last_number: number;
  versions_by_stage: Record<Stage, number>;
  /** Numbers of the versions in production, the most recently promoted last. */
  production: readonly number[];
  /** Ids of versions that promotions displaced from production and no rollback has gone behind, the last one last. */
  displaced: readonly string[];
  /** Numbers of the versions that are switched on. */
  active: readonly number[];
  /** Custom names of versions: alias to number. */
  aliases: Readonly<Record<string, number>>;
  deleted_at: string | null;
  created_at: string;
  created_by: Actor;
  updated_at: string;
  stream_version: number;
  position: number;
};

const noVersions = (): Record<Stage, number> => ({
  development: 0,
  staging: 0,
  production: 0,
  deprecated: 0,
  archived: 0,
});

const seen = (row: Model | NoRow, event: RecordedEvent): Model => ({
  ...existing(row, event),
  updated_at: event.recorded_at,
  stream_version: event.stream_version,
  position: event.position,
});

function moved(
  row: Model | NoRow,
  event: RecordedEvent,
  number: number,
  from: Stage,
  to: Stage,
): Model {
  const model = seen(row, event);
  const byStage = { ...model.versions_by_stage };
  byStage[from] -= 1;
  byStage[to] += 1;
  model.versions_by_stage = byStage;
  if (from === 'production')
    model.production = model.production.filter((other) => other !== number);
  if (to === 'production') model.production = [...model.production, number];
  return model;
}

function inState(row: Model | NoRow, event: RecordedEvent, state: Model['state']): Model {
  const model = seen(row, event);
  model.state = state;
  return model;
}

/** It has left production for another, whose promotion follows in the same append. */
const displaced = (model: Model, versionId: string): Model => ({
  ...model,
  displaced: [...model.displaced, versionId],
});

/** The ways back that a rollback leaves: those before the version that it goes to, and none that it has displaced itself. */
function behind(ways: readonly string[], to: string, from: string | null): readonly string[] {
  const taken = ways.lastIndexOf(to);
  const end = taken < 0 && from !== null ? ways.lastIndexOf(from) : taken;
  return end < 0 ? ways : ways.slice(0, end);
}

const modelHandlers: ModelEventHandlers<Model | NoRow, Model> = {
  'model.registered': (row, event) => {
    assert(row === undefined, `${event.stream} is registered twice`);
    return {
      ...event.data,
      tenant: event.tenant,
      state: 'active',
      default_number: null,
      default_version_id: null,
      default_set_by: null,
      last_number: 0,
      versions_by_stage: noVersions(),
      production: [],
      displaced: [],
      active: [],
      aliases: {},
      deleted_at: null,
      created_at: event.recorded_at,
      created_by: event.actor,
      updated_at: event.recorded_at,
      stream_version: event.stream_version,
      position: event.position,
    };
  },
  'model.updated': (row, event) => Object.assign(seen(row, event), event.data.changed),
  'model.renamed': (row, event) => {
    const model = seen(row, event);
    model.name = event.data.name;
    return model;
  },
  'model.deactivated': (row, event) => inState(row, event, 'inactive'),
  'model.reactivated': (row, event) => inState(row, event, 'active'),
  'model.deleted': (row, event) => {
    const model = inState(row, event, 'deleted');
    model.deleted_at = event.recorded_at;
    return model;
  },
  'model.restored': (row, event) => {
    const model = inState(row, event, 'active');
    model.deleted_at = null;
    model.name = event.data.name;
    return model;
  },
  'model.versioned': (row, event) => {
    const model = seen(row, event);
    model.last_number = event.data.number;
    model.versions_by_stage = {
      ...model.versions_by_stage,
      [event.data.stage]: model.versions_by_stage[event.data.stage] + 1,
    };
    return model;
  },
  'model.promoted': (row, event) => {
    const { number, from_stage, to_stage, mode } = event.data;
    const model = moved(row, event, number, from_stage, to_stage);
    const { version_id, superseded_version_id } = event.data;
    model.displaced =
      mode === 'rollback'
        ? behind(model.displaced, version_id, superseded_version_id)
        : model.displaced.slice(-rollbackDepthMax);
    return model;
  },
  'model.deployed': seen,
  'model.archived': (row, event) => {
    const { number, version_id, from_stage, cause } = event.data;
    const model = moved(row, event, number, from_stage, 'archived');
    return cause === 'superseded' ? displaced(model, version_id) : model;
  },
  'version.demoted': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, event.data.to_stage),
  'version.superseded': (row, event) => {
    const { number, version_id, from_stage, to_stage } = event.data;
    return displaced(moved(row, event, number, from_stage, to_stage), version_id);
  },
  'version.deprecated': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, 'deprecated'),
  'version.restored': (row, event) =>
    moved(row, event, event.data.number, event.data.from_stage, event.data.to_stage),
  'version.updated': seen,
  'version.activated': (row, event) => {
    const model = seen(row, event);
    model.active = [...model.active, event.data.number];
    return model;
  },
  'version.deactivated': (row, event) => {
    const model = seen(row, event);
    model.active = model.active.filter((number) => number !== event.data.number);
    return model;
  },
  'version.deleted': (row, event) => {
    const model = seen(row, event);
    const { from_stage, version_id } = event.data;
    model.versions_by_stage = {
      ...model.versions_by_stage,
      [from_stage]: model.versions_by_stage[from_stage] - 1,
    };
    model.displaced = model.displaced.filter((other) => other !== version_id);
    return model;
  },
  'version.approval_revoked': seen,
  'alias.set': (row, event) => {
    const model = seen(row, event);
    model.aliases = { ...model.aliases, [event.data.alias]: event.data.number };
    return model;
  },
  'alias.removed': (row, event) => {
    const model = seen(row, event);
    const { [event.data.alias]: _, ...aliases } = model.aliases;
    model.aliases = aliases;
    return model;
  },
  'hold.placed': seen,
  'hold.released': seen,
  'retention.applied': seen,
  'alert.raised': seen,
  'alert.cleared': seen,
  'binding.created': seen,
  'binding.updated': seen,
  'binding.activated': seen,
  'binding.deactivated': seen,
  'binding.deprecated': seen,
  'binding.removed': seen,
  'promotion.requested': seen,
  'promotion.decided': seen,
  'promotion.staled': seen,
  'promotion.expired': seen,
  'promotion.withdrawn': seen,
  'deployment.rolled_back': seen,
  'version.testing_started': seen,
  'version.approved': seen,
  'version.rejected': seen,
  'default.changed': (row, event) => {
    const model = seen(row, event);
    model.default_number = event.data.number;
    model.default_version_id = event.data.version_id;
    model.default_set_by = event.data.number === null ? null : event.data.set_by;
    return model;
  },
  'deployment.requested': seen,
  'deployment.started': seen,
  'deployment.failed': seen,
  'deployment.superseded': seen,
  'deployment.undeployed': seen,
  'deployment.traffic_shifted': seen,
};

/** The next model row. Throws `AssertionFailed` if the history is broken. */
export const evolveModel = (row: Model | NoRow, event: RecordedModelEvent): Model =>
  modelHandlers[event.type](row, event as never);
