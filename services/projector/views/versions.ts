// The view of versions: each as it is now.
import { keysOfParents } from '#events/model/lineage.ts';
import { evolveVersion, touchedVersions } from '#events/model/version-row.ts';
import type { Version } from '#events/model/version-row.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

const parentsOf = ({ tenant, facts }: Version): string[] | null =>
  facts.lineage.parent_versions.length === 0 ? null : keysOfParents(tenant, facts);

export const versions = defineView<Version>({
  name: 'versions',
  version: 7,
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
  columns: {
    model_id: ['uuid', ({ facts }) => facts.model_id],
    number: ['integer', ({ facts }) => facts.number],
    tenant: ['text', ({ tenant }) => tenant],
    version_id: ['uuid', ({ facts }) => facts.version_id],
    label: ['text', ({ facts }) => facts.label],
    stage: ['text', ({ stage }) => stage],
    readiness: ['text', ({ readiness }) => readiness],
    is_default: ['boolean', ({ is_default }) => is_default],
    is_deleted: ['boolean', ({ deleted_at }) => deleted_at !== null],
    parents: ['text[]', parentsOf],
  },
  key: ['model_id', 'number'],
  rowName: "model_id || '/' || number",
  hasModelId: true,
  keptCharactersMax: 12_000_000,
});
