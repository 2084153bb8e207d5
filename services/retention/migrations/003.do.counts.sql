-- What was found when a model's versions were counted: true for its stream version, until a time. Counted anew when asked for.
create table retention.counts (
  stream text collate "C" primary key,
  version integer not null,
  true_until timestamptz not null,      -- 'infinity' where only an event can change it
  models integer not null,              -- 0 for a tombstone
  due integer not null,
  kept integer not null,
  in_use integer not null,
  archived_manual integer not null,     -- by the cause of the archiving
  archived_by_age integer not null,
  archived_by_count integer not null,
  archived_superseded integer not null
);

-- One row: how the last sweep of any process ended.
create table retention.last_sweep (
  only_row boolean primary key default true check (only_row),
  ended_at timestamptz not null,
  outcome text not null
);

grant select, insert, update, delete on retention.counts to modelog_service;
grant select, insert, update on retention.last_sweep to modelog_service;
