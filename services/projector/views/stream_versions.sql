-- The last version of each stream that this generation has applied: at or below it, an event is a repetition.
create table views.stream_versions_gN (
  stream text collate "C" primary key,
  version integer not null,
  parked boolean not null          -- the stream's further events wait in views.parked_events
) with (fillfactor = 80);
