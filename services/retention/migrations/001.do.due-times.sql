-- When each model must be looked at next. Everything here can be rebuilt from the log: a due time is only a hint of
-- when to fold the stream, and the fold decides.

create schema retention;
grant usage on schema retention to modelog_service;

create table retention.due (
  stream text collate "C" primary key,
  next_check_at timestamptz not null,   -- nothing is due before it; 'infinity' where only an event can change that
  checked_at timestamptz                -- null until the first look: until then no event can bring the look forward
) with (fillfactor = 80);
create index checks_in_order on retention.due (next_check_at);

-- How far each source was read: the log's position, or the next offset of a topic's partition.
create table retention.checkpoints (
  source text collate "C" primary key,
  next bigint not null
) with (fillfactor = 10);

-- The policy that the due times were reckoned by: one row. Another policy means that every model is looked at again.
create table retention.reckoned_by (
  only_row boolean primary key default true check (only_row),
  policy jsonb not null
);

-- Stores when to look next, if the stream is still at the version that was judged. The row's lock comes first: an event
-- recorded before it is seen here, and one recorded after it is noted on top of what is stored.
create function retention.settle(p_stream text, p_version integer, p_next_check_at timestamptz)
returns boolean
language plpgsql
as $$
begin
  perform from retention.due d where d.stream = p_stream for update;
  update retention.due d set next_check_at = p_next_check_at
  where d.stream = p_stream and (select s.version from log.streams s where s.stream = p_stream) = p_version;
  return found;
end $$;

grant select, insert, update on retention.due, retention.checkpoints, retention.reckoned_by to modelog_service;
