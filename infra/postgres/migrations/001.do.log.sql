-- The event log. `log.events` is the truth; everything else here serves it, or is derived from it.
-- Who may write what: the services act as the role `modelog_service`, which may read, call the functions below, and write
-- only the tables that its grants name. The others change inside `append_batch` alone.

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

create schema log;
grant usage on schema log to modelog_service;

-- One row. Its lock orders all appends; `recorded_at` never goes back. The low fill factor keeps each update on the page.
create table log.log_head (
  only_row boolean primary key default true check (only_row),
  position bigint not null,
  epoch bigint not null,            -- raised by an operator when history was cut (a restored backup)
  recorded_at timestamptz not null
) with (fillfactor = 10);
insert into log.log_head (position, epoch, recorded_at) values (0, 1, date_trunc('milliseconds', clock_timestamp()));

create table log.streams (
  stream text collate "C" primary key,
  version integer not null
) with (fillfactor = 70);

create table log.events (
  position bigint primary key,
  tenant text collate "C" not null,
  stream text collate "C" not null,
  version integer not null,
  event_id uuid not null,
  type text collate "C" not null,
  schema_version integer not null,
  data json not null,               -- json, not jsonb: kept as it was written, and making jsonb cost a third of an append
  metadata json not null,           -- actor, occurred_at, reason, command_id, correlation_id, causation_id, traceparent
  serial integer,                   -- the short number that readers see as data.serial, of events that asked for one
  recorded_at timestamptz not null,
  constraint one_event_a_stream_version unique (stream, version),
  constraint one_event_an_id unique (event_id)
);
create index events_of_a_tenant_in_order on log.events (tenant, position);
-- recorded_at rises with position, so a summary of block ranges finds "as of a time" at almost no cost to appends
create index events_by_time on log.events using brin (recorded_at) with (pages_per_range = 16, autosummarize = on);
create index deployments_begun on log.events ((data ->> 'deployment_id')) where type in ('deployment.requested', 'model.deployed');
create index serials_given on log.events (tenant, type, serial) where serial is not null;

-- One row a command that succeeded; a duplicate is found here. `request_hash` tells a repeat from a reused key.
create table log.commands (
  command_id uuid primary key,
  request_hash text,
  stream text collate "C" not null,
  stream_version integer not null,
  position bigint not null,
  status smallint not null
);

-- Unique names. A pure function of the events (`claimsOf`), so this table can be rebuilt.
create table log.claims (
  claim text collate "C" primary key,
  stream text collate "C" not null
);

-- The last short number given, a tenant and kind.
create table log.serials (
  tenant text collate "C" not null,
  kind text collate "C" not null,
  last integer not null,
  primary key (tenant, kind)
) with (fillfactor = 50);

-- Folded states of long streams; a cache, written by the command API.
create table log.snapshots (
  stream text collate "C" primary key,
  fold_version integer not null,
  stream_version integer not null,
  state text not null
);

-- The relay's lease, fence and checkpoint: one row a target topic.
create table log.relay_state (
  topic text primary key,
  epoch bigint not null default 0,            -- raised by whoever takes the lease over; a checkpoint needs its own
  holder text,
  lease_until timestamptz,                    -- by this database's clock
  position bigint not null default 0,         -- everything up to here is on the topic
  event_id uuid,                              -- of that position, to notice a history that went back
  partitions jsonb not null default '{}'      -- partition -> {position, offset}: the last that was sent there
) with (fillfactor = 10);

-- What was refused, and to whom. Append-only; never an event.
create table log.audit_records (
  id bigint generated always as identity primary key,
  recorded_at timestamptz not null default clock_timestamp(),
  tenant text collate "C" not null,
  subject text,
  action text not null,
  code text not null,
  detail jsonb not null
);

-- Keys by the SHA-256 of their 256 random bits. This row decides; the events tell its story.
create table log.api_keys (
  sha256 text collate "C" primary key,
  key_id uuid not null unique,
  tenant text collate "C" not null,
  subject text not null,
  subject_type text not null,
  role text not null,
  expires_at timestamptz,
  revoked_at timestamptz
);

create function log.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'log.% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger events_are_history before update or delete or truncate on log.events
  for each statement execute function log.refuse_change();
create trigger commands_are_history before update or delete or truncate on log.commands
  for each statement execute function log.refuse_change();
create trigger audit_records_are_history before update or delete or truncate on log.audit_records
  for each statement execute function log.refuse_change();

-- Appends a batch: one call, one transaction. Arguments are arrays of objects:
--   p_entries  {entry, stream, tenant, expected, events, models, versions, decided_on: [{stream, version}]}
--                one a stream; how many events it has, and how many of them ask for a serial of each kind
--   p_commands {command, entry, command_id, request_hash, status, last, wrote, metadata}
--                `last`: the entry's events up to and with this command's; `wrote`: it has any
--   p_events   {entry, nth, command, id, type, schema_version, serial_kind, nth_of_kind, data}    both count from 1 in the entry
--   p_claims   {entry, takes, frees}                                                one name each, the other absent
--   p_keys     {entry, effect, key_id, sha256, tenant, subject, subject_type, role, expires_at}
-- Returns {position, recorded_at, refused: [[entry, verdict]], seen: [{command, …}], serials: [[entry, model, version]]}:
-- the position before the batch (its events follow without a gap, in order), the time in ms, what was not appended, and
-- for entries that ask for serials the last ones given before them.
-- Positions and serials are counted on entries, so that the wide rows of events are read once and never sorted.
create function log.append_batch(p_entries json, p_commands json, p_events json, p_claims json, p_keys json)
returns json
language plpgsql
volatile
security definer
set search_path = log, pg_temp
-- a plan cached while the tables were empty would scan them whole for ever
set enable_seqscan = off
-- the estimates of the batch's own sets are guesses; a nested loop over two of them is quadratic
set enable_nestloop = off
as $$
declare
  head log_head;
  now_ms timestamptz;
  answer json;
  appended bigint;
begin
  select * into strict head from log_head for update;
  now_ms := greatest(date_trunc('milliseconds', clock_timestamp()), head.recorded_at);

  with
  entry as materialized (
    select e.entry, e.stream, e.tenant, e.expected, e.events, e.models, e.versions, e.decided_on,
           coalesce((select s.version from streams s where s.stream = e.stream), 0) as current
    from json_to_recordset(p_entries)
           as e(entry int, stream text, tenant text, expected int, events int, models int, versions int, decided_on json)
  ),
  command as materialized (
    select c.command, c.entry, c.command_id, c.request_hash, c.status, c.last, c.wrote, c.metadata,
           k.request_hash as seen_hash, k.stream as seen_stream, k.stream_version as seen_version,
           k.position as seen_position, k.status as seen_status, k.command_id is not null as seen
    from json_to_recordset(p_commands)
           as c(command int, entry int, command_id uuid, request_hash text, status smallint, last int, wrote boolean, metadata json)
    left join lateral (select * from commands k where k.command_id = c.command_id limit 1) k on true
  ),
  claim as materialized (
    select c.entry, c.takes, c.frees,
           (select h.stream from claims h where h.claim = c.takes) as held_by
    from json_to_recordset(p_claims) as c(entry int, takes text, frees text)
  ),
  -- entries of which a command is recorded already, or a name is held (or taken by an entry before in this batch)
  seen_entry as materialized (
    select distinct c.entry from command c where c.seen
  ),
  claimed_entry as materialized (
    select distinct c.entry
    from (select entry, held_by, row_number() over (partition by takes order by entry) as turn
          from claim where takes is not null) c
    where c.held_by is not null or c.turn > 1
  ),
  judged as materialized (
    select e.entry, e.stream, e.tenant, e.expected, e.events, e.models, e.versions,
           case
             when s.entry is not null then 'seen'
             when e.current <> e.expected then 'conflict'
             when e.decided_on is not null and exists (
               select from json_to_recordset(e.decided_on) as d(stream text, version int)
               where coalesce((select s.version from streams s where s.stream = d.stream), 0) <> d.version
                  or exists (select from entry o where o.stream = d.stream and o.entry <> e.entry)
             ) then 'conflict'
             when c.entry is not null then 'claimed'
           end as refusal
    from entry e
    left join seen_entry s on s.entry = e.entry
    left join claimed_entry c on c.entry = e.entry
  ),
  -- where each entry's positions and serials begin: those before it in the batch, after those in the log
  accepted as materialized (
    select j.entry, j.stream, j.tenant, j.expected, j.events, j.models, j.versions,
           head.position + sum(j.events) over (order by j.entry) - j.events as position,
           case when j.models > 0 then
             coalesce((select s.last from serials s where s.tenant = j.tenant and s.kind = 'model'), 0)
               + sum(j.models) over (partition by j.tenant order by j.entry) - j.models
           end as model_serial,
           case when j.versions > 0 then
             coalesce((select s.last from serials s where s.tenant = j.tenant and s.kind = 'version'), 0)
               + sum(j.versions) over (partition by j.tenant order by j.entry) - j.versions
           end as version_serial
    from judged j
    where j.refusal is null
  ),
  into_events as (
    insert into events (position, tenant, stream, version, event_id, type, schema_version, data, metadata, serial, recorded_at)
    select a.position + v.nth, a.tenant, a.stream, a.expected + v.nth, v.id, v.type, v.schema_version, v.data, c.metadata,
           case v.serial_kind when 'model' then a.model_serial + v.nth_of_kind
                              when 'version' then a.version_serial + v.nth_of_kind end,
           now_ms
    from json_to_recordset(p_events)
           as v(entry int, nth int, command int, id uuid, type text, schema_version int, serial_kind text, nth_of_kind int, data json)
    join accepted a on a.entry = v.entry
    join command c on c.command = v.command
  ),
  into_commands as (
    insert into commands (command_id, request_hash, stream, stream_version, position, status)
    select c.command_id, c.request_hash, a.stream, a.expected + c.last,
           case when c.wrote then a.position + c.last else head.position end, c.status
    from command c join accepted a on a.entry = c.entry
  ),
  into_streams as (
    insert into streams (stream, version)
    select a.stream, a.expected + a.events from accepted a where a.events > 0
    on conflict (stream) do update set version = excluded.version
  ),
  into_serials as (
    insert into serials (tenant, kind, last)
    select a.tenant, 'model', max(a.model_serial + a.models) from accepted a where a.models > 0 group by a.tenant
    union all
    select a.tenant, 'version', max(a.version_serial + a.versions) from accepted a where a.versions > 0 group by a.tenant
    on conflict (tenant, kind) do update set last = excluded.last
  ),
  freed_claims as (
    delete from claims h
    where h.claim = any (array(
            select c.frees from claim c join accepted a on a.entry = c.entry where c.frees is not null))
      and h.stream = any (array(select a.stream from accepted a))
  ),
  into_claims as (
    insert into claims (claim, stream)
    select c.takes, a.stream from claim c join accepted a on a.entry = c.entry where c.takes is not null
  ),
  keys as materialized (
    select k.* from json_to_recordset(p_keys)
      as k(entry int, effect text, key_id uuid, sha256 text, tenant text, subject text, subject_type text, role text, expires_at timestamptz)
    join accepted a on a.entry = k.entry
  ),
  into_keys as (
    insert into api_keys (sha256, key_id, tenant, subject, subject_type, role, expires_at)
    select k.sha256, k.key_id, k.tenant, k.subject, k.subject_type, k.role, k.expires_at from keys k where k.effect = 'issue'
    on conflict (sha256) do update set key_id = excluded.key_id, tenant = excluded.tenant, subject = excluded.subject,
      subject_type = excluded.subject_type, role = excluded.role, expires_at = excluded.expires_at, revoked_at = null
  ),
  revoked_keys as (
    update api_keys a set revoked_at = now_ms
    where a.key_id = any (array(select k.key_id from keys k where k.effect = 'revoke')) and a.revoked_at is null
  )
  select json_build_object(
           'position', head.position,
           'recorded_at', (extract(epoch from now_ms) * 1000)::bigint,
           'refused', (select coalesce(json_agg(json_build_array(j.entry, j.refusal)), '[]')
                       from judged j where j.refusal is not null),
           'seen', (select coalesce(json_agg(json_build_object(
                      'command', c.command, 'reused', c.seen_hash is distinct from c.request_hash, 'stream', c.seen_stream,
                      'stream_version', c.seen_version, 'position', c.seen_position, 'status', c.seen_status)), '[]')
                    from command c where c.seen),
           'serials', (select coalesce(json_agg(json_build_array(a.entry, a.model_serial, a.version_serial)), '[]')
                       from accepted a where a.models + a.versions > 0)
         ),
         (select coalesce(sum(a.events), 0) from accepted a)
    into answer, appended;

  if appended > 0 then
    update log_head set position = head.position + appended, recorded_at = now_ms;
    -- a hint only: readers poll too
    perform pg_notify('modelog_log', (head.position + appended)::text);
  end if;
  return answer;
end $$;

revoke all on function log.append_batch(json, json, json, json, json) from public;
grant execute on function log.append_batch(json, json, json, json, json) to modelog_service;
grant select on all tables in schema log to modelog_service;
grant insert, update, delete on log.snapshots to modelog_service;
grant insert, update on log.relay_state to modelog_service;
grant insert on log.audit_records to modelog_service;
