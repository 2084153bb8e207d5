-- One row a model. No index is on a column that events often change, so that an update stays on its page.
create table views.models_gN (
  model_id uuid primary key,
  tenant text collate "C" not null,
  serial integer not null,
  name text collate "C" not null,
  framework text,
  team text,
  project text,
  model_type text,
  task text,
  category text,
  tags jsonb not null,
  is_active boolean not null,
  is_deleted boolean not null,      -- a tombstone: found by id and serial only, and in no list
  stages text[] not null,           -- those in which it has a version
  stream_version integer not null,
  position bigint not null,         -- of its last event, so it orders models by when they changed
  state text storage external not null   -- the folded row as JSON, from which every answer is made
) with (fillfactor = 70, toast_tuple_target = 4080);
create index models_of_a_tenant_by_serial_gN on views.models_gN (tenant, serial);
-- not unique: no rule in a view spans streams, as a freed name may come back on another partition first
create index models_of_a_tenant_by_name_gN on views.models_gN (tenant, name);
-- for lists filtered by what people filter by most; where it does not change, neither do these
create index models_of_a_framework_gN on views.models_gN (tenant, framework, serial);
create index models_of_a_team_gN on views.models_gN (tenant, team, serial);
create index models_of_a_project_gN on views.models_gN (tenant, project, serial);
-- what the counters count and is not there any more
create index models_deleted_gN on views.models_gN (tenant) where is_deleted;
create index models_by_tag_gN on views.models_gN using gin (tags);
