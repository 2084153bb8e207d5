-- What the projector knows of its own work. The views' tables are made by it, one set a generation, from views/<name>.sql.
-- This schema may lie in another database than the log. The projector acts as `modelog_service`, and owns what it makes.

do $$
begin
  if not exists (select from pg_roles where rolname = 'modelog_service') then
    begin
      create role modelog_service nologin;
    exception when duplicate_object or unique_violation then null; -- another database's migration was faster
    end;
  end if;
  if not pg_has_role(current_user, 'modelog_service', 'member') then
    execute format('grant modelog_service to %I', current_user);
  end if;
end $$;

create schema views;
grant usage, create on schema views to modelog_service;

-- A generation is tables that were folded together, with a checkpoint of their own. One serves; a rebuild makes another beside it.
create table views.generations (
  generation integer generated always as identity primary key,
  serves boolean not null default false,
  created_at timestamptz not null default clock_timestamp()
);
create unique index one_generation_serves on views.generations (serves) where serves;

-- Which tables each view is written to and read from: `<view>_g<generation>`. Changed only by the switch of a rebuild.
create table views.served (
  view text primary key,
  generation integer not null references views.generations,
  view_version integer not null      -- of the code that made the tables
);

-- How far a generation is. Partition -1 is the log read directly, 0 to 11 are Kafka's; whoever writes raises the epoch first, so
-- that a checkpoint written with an older epoch is refused, and with it its whole batch.
create table views.offsets (
  generation integer not null references views.generations,
  partition smallint not null,
  epoch bigint not null default 0,
  owner text,                         -- the process that applies; it stands by when another has taken over
  position bigint not null default 0, -- of the last event applied
  next_offset bigint,                 -- Kafka's, of the next message; null before the first
  mark text,                          -- of the message before it: another one there means that the topic was made anew
  primary key (generation, partition)
) with (fillfactor = 10);

-- Streams with an event that cannot be applied, however often it is tried; the others go on.
create table views.parked_streams (
  generation integer not null references views.generations,
  stream text collate "C" not null,
  version integer not null,           -- of the event that failed
  event_type text not null,
  reason text not null,
  parked_at timestamptz not null default clock_timestamp(),
  primary key (generation, stream)
);
-- Their events from that one on, as they came, until somebody redrives them.
create table views.parked_events (
  generation integer not null,
  stream text collate "C" not null,
  version integer not null,
  event json not null,
  primary key (generation, stream, version),
  foreign key (generation, stream) references views.parked_streams on delete cascade
);

grant select, insert, update, delete on all tables in schema views to modelog_service;
