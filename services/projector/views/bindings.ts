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
  columns: {
    binding_id: ['uuid', (binding) => binding.binding_id],
    tenant: ['text', (binding) => binding.tenant],
    model_id: ['uuid', (binding) => binding.model_id],
    version_id: ['uuid', (binding) => binding.version_id],
    provider: ['text', (binding) => binding.provider],
    status: ['text', (binding) => binding.status],
    is_removed: ['boolean', (binding) => binding.removed_at !== null],
  },
  key: ['tenant', 'binding_id'],
  rowName: 'binding_id::text',
  hasModelId: true,
  keptCharactersMax: 8_000_000,
});
