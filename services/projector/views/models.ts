// The view of models: each as it is now.
import { evolveModel } from '#events/model/model-row.ts';
import type { Model } from '#events/model/model-row.ts';
import { isActive, isDeleted, stagesOf } from '../listed-model.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const models = defineView<Model>({
  name: 'models',
  version: 4,
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
  columns: {
    model_id: ['uuid', (model) => model.model_id],
    tenant: ['text', (model) => model.tenant],
    serial: ['integer', (model) => model.serial],
    name: ['text', (model) => model.name],
    framework: ['text', (model) => model.framework],
    team: ['text', (model) => model.team],
    project: ['text', (model) => model.project],
    model_type: ['text', (model) => model.model_type],
    task: ['text', (model) => model.task],
    category: ['text', (model) => model.category],
    tags: ['jsonb', (model) => model.tags],
    is_active: ['boolean', isActive],
    is_deleted: ['boolean', isDeleted],
    stages: ['text[]', stagesOf],
    stream_version: ['integer', (model) => model.stream_version],
    position: ['bigint', (model) => model.position],
  },
  key: ['model_id'],
  rowName: 'model_id::text',
  hasModelId: true,
  keptCharactersMax: 12_000_000,
});
