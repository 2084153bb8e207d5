-- One row a deployment. Its id is a UUIDv7, so it orders deployments by when they were asked for.
create table views.deployments_gN (
  deployment_id uuid not null,
  tenant text collate "C" not null,
  model_id uuid not null,
  environment text not null,
  status text not null,
  state text storage external not null,  -- the folded row as JSON, from which every answer is made
  primary key (tenant, deployment_id)
) with (fillfactor = 70, toast_tuple_target = 4080);
create index deployments_of_a_model_gN on views.deployments_gN (model_id, deployment_id);
