// The view of models: each as it is now.
import { stages } from '#events/model/shapes.ts';
import { evolveModel } from '#events/model/model-row.ts';
import type { Model } from '#events/model/model-row.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const models = defineView<Model>({
  name: 'models',
  version: 1,
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
    insert into views.models_gN as m (model_id, tenant, serial, name, framework, team, project, model_type, task, category,
      tags, is_active, stages, stream_version, position, state)
    select * from rows from (
      json_to_recordset($1) as (model_id uuid, tenant text, serial integer, name text, framework text, team text,
        project text, model_type text, task text, category text, tags jsonb, is_active boolean, stages text[],
        stream_version integer, position bigint),
      string_to_table($2, E'\\x1e'))
    on conflict (model_id) do update set
      serial = excluded.serial, name = excluded.name, framework = excluded.framework, team = excluded.team,
      project = excluded.project, model_type = excluded.model_type, task = excluded.task, category = excluded.category,
      tags = excluded.tags, is_active = excluded.is_active, stages = excluded.stages,
      stream_version = excluded.stream_version, position = excluded.position, state = excluded.state`,
  columns: (model) => ({
    model_id: model.model_id,
    tenant: model.tenant,
    serial: model.serial,
    name: model.name,
    framework: model.framework,
    team: model.team,
    project: model.project,
    model_type: model.model_type,
    task: model.task,
    category: model.category,
    tags: model.tags,
    is_active: model.state === 'active',
    stages: stages.filter((stage) => model.versions_by_stage[stage] > 0),
    stream_version: model.stream_version,
    position: model.position,
  }),
  rowName: 'model_id::text',
  hasModelId: true,
  keptCharactersMax: 16_000_000,
});
