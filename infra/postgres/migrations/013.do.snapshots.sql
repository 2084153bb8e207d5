-- A snapshot is kept in parts, each compressed by itself, so that who needs little of a long stream unpacks little: unpacking all of
-- one of 9 MB took half of the first command on its stream. A cache: those that there are will be written anew.
truncate log.snapshots;
alter table log.snapshots
  alter column state set not null,             -- zstd of each part's text, one after the other
  add column lengths integer[] not null;       -- in bytes, of each part
