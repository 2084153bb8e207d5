// The view of versions: each as it is now.
import { keysOfParents } from '#events/model/lineage.ts';
import { evolveVersion, touchedVersions } from '#events/model/version-row.ts';
import type { Version } from '#events/model/version-row.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const versions = defineView<Version>({
  name: 'versions',
  version: 5,
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
    merge into views.versions_gN as v
    using rows from (
      string_to_table($2, E'\\x1e'),
      json_to_recordset($1) as (model_id uuid, number integer, tenant text, version_id uuid, label text, stage text,
        readiness text, is_default boolean, is_deleted boolean, parents text[])) as r (state)
    on v.model_id = r.model_id and v.number = r.number
    when matched then update set
      stage = r.stage, readiness = r.readiness, is_default = r.is_default, is_deleted = r.is_deleted, parents = r.parents,
      state = r.state
    when not matched then
      insert (model_id, number, tenant, version_id, label, stage, readiness, is_default, is_deleted, parents, state)
      values (r.model_id, r.number, r.tenant, r.version_id, r.label, r.stage, r.readiness, r.is_default, r.is_deleted,
        r.parents, r.state)`,
  columns: ({ facts, tenant, stage, readiness, is_default, deleted_at }) => ({
    model_id: facts.model_id,
    number: facts.number,
    tenant,
    version_id: facts.version_id,
    label: facts.label,
    stage,
    readiness,
    is_default,
    is_deleted: deleted_at !== null,
    parents: facts.lineage.parent_versions.length === 0 ? null : keysOfParents(tenant, facts),
  }),
  rowName: "model_id || '/' || number",
  hasModelId: true,
  keptCharactersMax: 12_000_000,
});
