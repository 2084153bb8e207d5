-- One row an event of a model, written once: what a person wants to know of it. The whole event is in the log.
create table views.timeline_gN (
  model_id uuid not null,
  stream_version integer not null,
  state text storage external not null,  -- the entry as JSON
  primary key (model_id, stream_version)
) with (toast_tuple_target = 4080);
