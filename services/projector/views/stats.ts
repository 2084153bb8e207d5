// The view of counts: how many models, versions and deployments there are, by what people ask for. The event that deletes a
// model says nothing of its versions, so deleted models are counted on, and taken off when the counters are read.
import type { RecordedEvent } from '#events/envelope.ts';
import type { ModelEventHandlers, RecordedModelEvent } from '#events/model/events.ts';
import { lifecyclePartitions } from '#infra/kafka/topics.ts';
import { partitionOf } from '#infra/kafka/partition.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';
import type { Change } from './view.ts';

/** What is counted; `key` is the value within, or empty. */
export type Dimension =
  | 'models'
  | 'models_by_framework'
  | 'models_by_team'
  | 'models_by_project'
  | 'versions'
  | 'versions_by_stage'
  | 'versions_by_readiness'
  | 'deployments_active';

type Counter = { tenant: string; dimension: Dimension; key: string; bucket: number; count: number };
type Delta = readonly [dimension: Dimension, key: string, by: 1 | -1];

/** An announced end moves what stays deprecated, and a rollback may go to what is in production: nothing is counted anew. */
const moved = (dimension: Dimension, from: string, to: string): Delta[] =>
  from === to
    ? []
    : [
        [dimension, from, -1],
        [dimension, to, 1],
      ];
const stageMoved = (
  _: undefined,
  { data }: { data: { from_stage: string; to_stage: string } },
): Delta[] => moved('versions_by_stage', data.from_stage, data.to_stage);
const readinessMoved = (
  _: undefined,
  { data }: { data: { from_readiness: string; to_readiness: string } },
): Delta[] => moved('versions_by_readiness', data.from_readiness, data.to_readiness);
const deploymentEnded = (_: undefined, { data }: { data: { from_status: string } }): Delta[] =>
  data.from_status === 'deployed' ? [['deployments_active', '', -1]] : [];
const nothing = (): Delta[] => [];

/** A field of a model by which models are counted; a model without it is not counted there. */
function fieldMoved(
  dimension: Dimension,
  field: string,
  data: { changed: object; previous: object },
): Delta[] {
  if (!Object.hasOwn(data.changed, field)) return [];
  const after: unknown = Reflect.get(data.changed, field);
  const before: unknown = Reflect.get(data.previous, field);
  const deltas: Delta[] = [];
  if (typeof before === 'string') deltas.push([dimension, before, -1]);
  if (typeof after === 'string') deltas.push([dimension, after, 1]);
  return deltas;
}

const deltas: ModelEventHandlers<undefined, Delta[]> = {
  'model.registered': (_, { data: { framework, team, project } }) => {
    const counted: Delta[] = [['models', '', 1]];
    if (framework !== null) counted.push(['models_by_framework', framework, 1]);
    if (team !== null) counted.push(['models_by_team', team, 1]);
    if (project !== null) counted.push(['models_by_project', project, 1]);
    return counted;
  },
  'model.updated': (_, { data }) => [
    ...fieldMoved('models_by_framework', 'framework', data),
    ...fieldMoved('models_by_team', 'team', data),
    ...fieldMoved('models_by_project', 'project', data),
  ],
  'model.versioned': (_, { data }) => [
    ['versions', '', 1],
    ['versions_by_stage', data.stage, 1],
    ['versions_by_readiness', data.readiness, 1],
  ],
  'model.promoted': stageMoved,
  'model.deployed': () => [['deployments_active', '', 1]],
  'model.archived': (_, { data }) => moved('versions_by_stage', data.from_stage, 'archived'),
  'version.demoted': stageMoved,
  'version.superseded': stageMoved,
  'version.deprecated': (_, { data }) => moved('versions_by_stage', data.from_stage, 'deprecated'),
  'version.restored': stageMoved,
  'version.testing_started': readinessMoved,
  'version.approved': readinessMoved,
  'version.rejected': readinessMoved,
  'version.approval_revoked': readinessMoved,
  'version.deleted': (_, { data: { from_stage, from_readiness } }) => {
    const counted: Delta[] = [
      ['versions', '', -1],
      ['versions_by_stage', from_stage, -1],
    ];
    if (from_readiness !== undefined) counted.push(['versions_by_readiness', from_readiness, -1]);
    return counted;
  },
  'deployment.rolled_back': deploymentEnded,
  'model.renamed': nothing,
  'model.deactivated': nothing,
  'model.reactivated': nothing,
  'model.deleted': nothing,
  'model.restored': nothing,
  'version.updated': nothing,
  'version.activated': nothing,
  'version.deactivated': nothing,
  'alias.set': nothing,
  'alias.removed': nothing,
  'hold.placed': nothing,
  'hold.released': nothing,
  'retention.applied': nothing,
  'alert.raised': nothing,
  'alert.cleared': nothing,
  'binding.created': nothing,
  'binding.updated': nothing,
  'binding.activated': nothing,
  'binding.deactivated': nothing,
  'binding.deprecated': nothing,
  'binding.removed': nothing,
  'promotion.requested': nothing,
  'promotion.decided': nothing,
  'promotion.staled': nothing,
  'promotion.expired': nothing,
  'promotion.withdrawn': nothing,
  'default.changed': nothing,
  'deployment.requested': nothing,
  'deployment.started': nothing,
  'deployment.failed': deploymentEnded,
  'deployment.superseded': deploymentEnded,
  'deployment.undeployed': deploymentEnded,
  'deployment.traffic_shifted': nothing,
};

function counted(event: RecordedModelEvent): Change<Counter>[] {
  const all = deltas[event.type](undefined, event as never);
  if (all.length === 0) return [];
  const bucket = bucketOf(event);
  return all.map(([dimension, key, by]) => ({
    key: `${event.tenant}/${dimension}/${bucket}/${key}`,
    isNew: false,
    next: (row) => ({
      tenant: event.tenant,
      dimension,
      key,
      bucket,
      count: (row?.count ?? 0) + by,
    }),
  }));
}

const bucketOf = (event: RecordedEvent): number => partitionOf(event.stream, lifecyclePartitions);

export const stats = defineView<Counter>({
  name: 'stats',
  version: 3,
  handlers: { ...tenantEventsUntouched, ...forEveryModelEvent(counted) },
  load: `
    select k.key, s.state from unnest($1::text[]) k(key),
      lateral (select state from views.stats_gN
               where tenant = split_part(k.key, '/', 1) and dimension = split_part(k.key, '/', 2)
                 and bucket = split_part(k.key, '/', 3)::smallint
                 and key = array_to_string((string_to_array(k.key, '/'))[4:], '/') limit 1) s`,
  columns: {
    tenant: ['text', (counter) => counter.tenant],
    dimension: ['text', (counter) => counter.dimension],
    key: ['text', (counter) => counter.key],
    bucket: ['smallint', (counter) => counter.bucket],
    count: ['bigint', (counter) => counter.count],
  },
  key: ['tenant', 'dimension', 'key', 'bucket'],
  rowName: "tenant || '/' || dimension || '/' || key || '/' || bucket",
  hasModelId: false,
  keptCharactersMax: 8_000_000,
});
