// The view of models: each as it is now.
import { evolveModel } from '#events/model/model-row.ts';
import type { Model } from '#events/model/model-row.ts';
import { listedModel } from '../listed-model.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const models = defineView<Model>({
  name: 'models',
  version: 3,
  handlers: {
    ...tenantEventsUntouched,
    ...forEveryModelEvent((event) => [
      {
        key: event.data.model_id,
        isNew: event.type === 'model.registered',
        next: (row) => evolveModel(row, event),
      },
    ]),
  },
  load: `
    select k.key, m.state from unnest($1::text[]) k(key),
      lateral (select state from views.models_gN where model_id = k.key::uuid limit 1) m`,
  write: `
    merge into views.models_gN as m
    using rows from (
      string_to_table($2, E'\\x1e'),
      json_to_recordset($1) as (model_id uuid, tenant text, serial integer, name text, framework text, team text,
        project text, model_type text, task text, category text, tags jsonb, is_active boolean,
        is_deleted boolean, stages text[], stream_version integer, position bigint)) as r (state)
    on m.model_id = r.model_id
    when matched then update set
      serial = r.serial, name = r.name, framework = r.framework, team = r.team, project = r.project,
      model_type = r.model_type, task = r.task, category = r.category, tags = r.tags, is_active = r.is_active,
      is_deleted = r.is_deleted, stages = r.stages, stream_version = r.stream_version, position = r.position,
      state = r.state
    when not matched then
      insert (model_id, tenant, serial, name, framework, team, project, model_type, task, category, tags, is_active,
        is_deleted, stages, stream_version, position, state)
      values (r.model_id, r.tenant, r.serial, r.name, r.framework, r.team, r.project, r.model_type, r.task, r.category,
        r.tags, r.is_active, r.is_deleted, r.stages, r.stream_version, r.position, r.state)`,
  columns: listedModel,
  rowName: 'model_id::text',
  hasModelId: true,
  keptCharactersMax: 12_000_000,
});
