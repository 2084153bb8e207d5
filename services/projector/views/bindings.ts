// The view of provider bindings: each as it is now; a removed one is kept, and shown to nobody.
import { evolveBinding, touchedBinding } from '#events/model/binding-row.ts';
import type { Binding } from '#events/model/binding-row.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const bindings = defineView<Binding>({
  name: 'bindings',
  version: 1,
  handlers: {
    ...tenantEventsUntouched,
    ...forEveryModelEvent((event) => {
      const bindingId = touchedBinding(event);
      if (bindingId === null) return [];
      return [
        {
          key: `${event.tenant}/${bindingId}`,
          isNew: event.type === 'binding.created',
          next: (row) => evolveBinding(row, event),
        },
      ];
    }),
  },
  load: `
    select k.key, b.state from unnest($1::text[]) k(key),
      lateral (select state from views.bindings_gN
               where tenant = split_part(k.key, '/', 1) and binding_id = split_part(k.key, '/', 2)::uuid limit 1) b`,
  write: `
    insert into views.bindings_gN as b (binding_id, tenant, model_id, version_id, provider, status, is_removed, state)
    select * from rows from (
      json_to_recordset($1) as (binding_id uuid, tenant text, model_id uuid, version_id uuid, provider text, status text,
        is_removed boolean),
      string_to_table($2, E'\\x1e'))
    on conflict (tenant, binding_id) do update set
      provider = excluded.provider, status = excluded.status, is_removed = excluded.is_removed, state = excluded.state`,
  columns: ({ binding_id, tenant, model_id, version_id, provider, status, removed_at }) => ({
    binding_id,
    tenant,
    model_id,
    version_id,
    provider,
    status,
    is_removed: removed_at !== null,
  }),
  rowName: 'binding_id::text',
  hasModelId: true,
  keptCharactersMax: 8_000_000,
});
