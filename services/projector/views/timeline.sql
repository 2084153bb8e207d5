-- One row an event of a model, written once: what a person wants to know of it. The whole event is in the log.
create table views.timeline_gN (
  model_id uuid not null,
  stream_version integer not null,
  entry json not null,
  primary key (model_id, stream_version)
);
