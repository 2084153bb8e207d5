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
    merge into views.bindings_gN as b
    using rows from (
      string_to_table($2, E'\\x1e'),
      json_to_recordset($1) as (binding_id uuid, tenant text, model_id uuid, version_id uuid, provider text, status text,
        is_removed boolean)) as r (state)
    on b.tenant = r.tenant and b.binding_id = r.binding_id
    when matched then update set
      provider = r.provider, status = r.status, is_removed = r.is_removed, state = r.state
    when not matched then
      insert (binding_id, tenant, model_id, version_id, provider, status, is_removed, state)
      values (r.binding_id, r.tenant, r.model_id, r.version_id, r.provider, r.status, r.is_removed, r.state)`,
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
