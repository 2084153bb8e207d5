-- One row a provider binding, the removed among them. Its id is a UUIDv7, so it orders bindings by when they were made.
create table views.bindings_gN (
  binding_id uuid not null,
  tenant text collate "C" not null,
  model_id uuid not null,
  version_id uuid not null,
  provider text not null,
  status text not null,
  is_removed boolean not null,
  state text storage external not null,  -- the folded row as JSON, from which every answer is made
  primary key (tenant, binding_id)
) with (fillfactor = 70, toast_tuple_target = 4080);
create index bindings_of_a_version_gN on views.bindings_gN (version_id, binding_id);
create index bindings_of_a_provider_gN on views.bindings_gN (tenant, provider, binding_id);
