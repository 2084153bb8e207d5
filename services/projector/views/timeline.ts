// The view of what happened to a model, event by event, for a person to read.
import type { Actor } from '#events/envelope.ts';
import type { ModelEventHandlers, RecordedModelEvent } from '#events/model/events.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

/** One thing that happened, as `GET /models/{model}/timeline` shows it. */
export type TimelineEntry = {
  position: number;
  stream_version: number;
  event_id: string;
  type: string;
  recorded_at: string;
  occurred_at: string;
  actor: Actor;
  reason: string | null;
  /** The event's data without what is large and belongs to the resource itself. */
  data: { model_id: string };
};

const whole = (_: undefined, event: RecordedModelEvent): TimelineEntry['data'] => event.data;

/** What of an event's data a timeline shows. */
const shown: ModelEventHandlers<undefined, TimelineEntry['data']> = {
  'model.registered': (_, { data: { metadata: _metadata, tags: _tags, ...data } }) => data,
  'model.updated': whole,
  'model.versioned': (_, { data }) => ({
    model_id: data.model_id,
    version_id: data.version_id,
    serial: data.serial,
    number: data.number,
    label: data.label,
    content_digest: data.content_digest,
    stage: data.stage,
    readiness: data.readiness,
  }),
  'model.promoted': whole,
  'model.deployed': (_, { data: { config: _config, ...data } }) => data,
  'model.archived': whole,
  'version.demoted': whole,
  'version.superseded': whole,
  'version.deprecated': whole,
  'version.restored': whole,
  'version.testing_started': whole,
  'version.approved': whole,
  'version.rejected': whole,
  'model.renamed': whole,
  'model.deactivated': whole,
  'model.reactivated': whole,
  'model.deleted': whole,
  'model.restored': whole,
  'version.updated': whole,
  'version.activated': whole,
  'version.deactivated': whole,
  'version.deleted': whole,
  'version.approval_revoked': whole,
  'alias.set': whole,
  'alias.removed': whole,
  'hold.placed': whole,
  'hold.released': whole,
  'retention.applied': whole,
  'alert.raised': whole,
  'alert.cleared': whole,
  'deployment.rolled_back': whole,
  'binding.updated': whole,
  'binding.activated': whole,
  'binding.deactivated': whole,
  'binding.deprecated': whole,
  'binding.removed': whole,
  'promotion.requested': whole,
  'promotion.decided': whole,
  'promotion.staled': whole,
  'promotion.expired': whole,
  'promotion.withdrawn': whole,
  'binding.created': (_, { data: { config: _config, ...data } }) => data,
  'default.changed': whole,
  'deployment.requested': (_, { data: { config: _config, ...data } }) => data,
  'deployment.started': whole,
  'deployment.failed': whole,
  'deployment.superseded': whole,
  'deployment.undeployed': whole,
  'deployment.traffic_shifted': whole,
};

const entryOf = (event: RecordedModelEvent): TimelineEntry => ({
  position: event.position,
  stream_version: event.stream_version,
  event_id: event.id,
  type: event.type,
  recorded_at: event.recorded_at,
  occurred_at: event.occurred_at,
  actor: event.actor,
  reason: event.reason,
  data: shown[event.type](undefined, event as never),
});

export const timeline = defineView<TimelineEntry>({
  name: 'timeline',
  version: 1,
  handlers: {
    ...tenantEventsUntouched,
    ...forEveryModelEvent((event) => [
      {
        key: `${event.data.model_id}/${event.stream_version}`,
        isNew: true,
        next: () => entryOf(event),
      },
    ]),
  },
  load: null,
  columns: {
    model_id: ['uuid', (entry) => entry.data.model_id],
    stream_version: ['integer', (entry) => entry.stream_version],
  },
  key: null,
  rowName: "model_id || '/' || stream_version",
  hasModelId: true,
  keptCharactersMax: 0,
});
