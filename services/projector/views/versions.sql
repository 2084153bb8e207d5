-- One row a version.
create table views.versions_gN (
  model_id uuid not null,
  number integer not null,
  tenant text collate "C" not null,
  version_id uuid not null,
  label text collate "C",
  stage text not null,
  readiness text not null,
  is_default boolean not null,
  is_deleted boolean not null,           -- a tombstone: found by id only, and in no list
  parents text[],                        -- keys of what it names as its parents (events/model/lineage.ts); null: none
  state text storage external not null,  -- the folded row as JSON, from which every answer is made
  primary key (model_id, number)
) with (fillfactor = 70, toast_tuple_target = 4080);
-- ids are UUIDv7, so it also orders a tenant's versions by when they were made
create index versions_of_a_tenant_by_id_gN on views.versions_gN (tenant, version_id);
create index versions_of_a_model_by_label_gN on views.versions_gN (model_id, label) where label is not null;
-- For the children of a version; most versions name no parent, and cost nothing here. Entries go in at once: each of the up to a
-- thousand keys of a question would be looked for in the whole list of those that are still to go in.
create index versions_by_parent_gN on views.versions_gN using gin (parents) with (fastupdate = off) where parents is not null;
