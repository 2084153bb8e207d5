// The view of versions: each as it is now.
import { evolveVersion, touchedVersions } from '#events/model/state.ts';
import type { Version } from '#events/model/state.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const versions = defineView<Version>({
  name: 'versions',
  version: 1,
  handlers: {
    ...tenantEventsUntouched,
    ...forEveryModelEvent((event) =>
      touchedVersions(event).map((number) => ({
        key: `${event.data.model_id}/${number}`,
        isNew: event.type === 'model.versioned',
        next: (row) => evolveVersion(row, event),
      })),
    ),
  },
  load: `
    select k.key, v.state from unnest($1::text[]) k(key),
      lateral (select state from views.versions_gN
               where model_id = split_part(k.key, '/', 1)::uuid and number = split_part(k.key, '/', 2)::integer limit 1) v`,
  write: `
    insert into views.versions_gN as v (model_id, number, version_id, label, stage, readiness, is_default, state)
    select model_id, number, version_id, label, stage, readiness, is_default, state
    from json_to_recordset($1) as r (model_id uuid, number integer, version_id uuid, label text, stage text, readiness text,
      is_default boolean, state json)
    on conflict (model_id, number) do update set
      stage = excluded.stage, readiness = excluded.readiness, is_default = excluded.is_default, state = excluded.state`,
  record: (_, state) => ({
    model_id: state.facts.model_id,
    number: state.facts.number,
    version_id: state.facts.version_id,
    label: state.facts.label,
    stage: state.stage,
    readiness: state.readiness,
    is_default: state.is_default,
    state,
  }),
  rowsKeptMax: 10_000,
});
