-- The wide texts of an append, the events' data and their metadata, go beside the rows that they belong to; and streams that
-- commands were decided on are looked for among the batch's own in one set.

-- Appends a batch: one call, one transaction. Arguments are JSON arrays of objects, or texts between U+001E, which stands in
-- no JSON text as itself: within the objects, the wide ones were read three times, which took a fifth of an append.
--   p_entries  {entry, stream, tenant, expected, events, models, versions, decided_on: [{stream, version}]}
--                one a stream; how many events it has, and how many of them ask for a serial of each kind
--   p_commands {command, entry, command_id, request_hash, status, last, wrote}        `command` counts from 1 in the batch
--                `last`: the entry's events up to and with this command's; `wrote`: it has any
--   p_metadata a text each command
--   p_events   {entry, nth, command, id, type, schema_version, serial_kind, nth_of_kind}    both count from 1 in the entry
--   p_data     a text each event
--   p_claims   {entry, takes, frees}                                                one name each, the other absent
--   p_keys     {entry, nth, effect, key_id, sha256, tenant, subject, subject_type, role, expires_at, by, scope, stream, kind}
--                effects: issue and revoke a key; grant and ungrant a role in a scope; place a model in a scope of a kind.
--                `nth` counts from 1 in the batch: of two effects on one row, the last holds. `by`: who asked
-- Returns {position, recorded_at, refused: [[entry, verdict]], seen: [{command, …}], serials: [[entry, model, version]]}:
-- the position before the batch (its events follow without a gap, in order), the time in ms, what was not appended, and
-- for entries that ask for serials the last ones given before them.
-- Positions and serials are counted on entries, so that the wide rows of events are read once and never sorted.
drop function log.append_batch(json, json, json, json, json);
create function log.append_batch(
  p_entries json, p_commands json, p_metadata text, p_events json, p_data text, p_claims json, p_keys json
)
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
  unreadable constant text := '(^|[^\\])(\\\\)*\\u(0000|[dD][89a-fA-F])';
begin
  -- A json column takes escapes that no reader could make text of: of NUL, and of half a surrogate pair. The first look is
  -- cheap; after it, a backslash that is itself escaped is told from one that escapes.
  if (strpos(p_data, '\u') > 0 and p_data ~ unreadable) or (strpos(p_metadata, '\u') > 0 and p_metadata ~ unreadable) then
    raise exception 'a value holds what cannot be text' using errcode = 'untranslatable_character';
  end if;
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
    select c.command, c.entry, c.command_id, c.request_hash, c.status, c.last, c.wrote,
           k.request_hash as seen_hash, k.stream as seen_stream, k.stream_version as seen_version,
           k.position as seen_position, k.status as seen_status, k.command_id is not null as seen
    from json_to_recordset(p_commands)
           as c(command int, entry int, command_id uuid, request_hash text, status smallint, last int, wrote boolean)
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
                  -- a set of its own, made once: one for each entry took longer than all the rest of an append
                  or d.stream <> e.stream and d.stream in (select o.stream from entry o)
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
    select a.position + v.nth, a.tenant, a.stream, a.expected + v.nth, v.id, v.type, v.schema_version, v.data::json, m.metadata::json,
           case v.serial_kind when 'model' then a.model_serial + v.nth_of_kind
                              when 'version' then a.version_serial + v.nth_of_kind end,
           now_ms
    from rows from (
      string_to_table(p_data, E'\x1e'),
      json_to_recordset(p_events) as (entry int, nth int, command int, id uuid, type text, schema_version int,
        serial_kind text, nth_of_kind int)) as v(data)
    join accepted a on a.entry = v.entry
    join string_to_table(p_metadata, E'\x1e') with ordinality m(metadata, command) on m.command = v.command
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
      as k(entry int, nth int, effect text, key_id uuid, sha256 text, tenant text, subject text, subject_type text, role text,
           expires_at timestamptz, by text, scope text, stream text, kind text)
    join accepted a on a.entry = k.entry
  ),
  into_keys as (
    insert into api_keys (sha256, key_id, tenant, subject, subject_type, role, expires_at, issued_by)
    select k.sha256, k.key_id, k.tenant, k.subject, k.subject_type, k.role, k.expires_at, k.by from keys k where k.effect = 'issue'
    on conflict (sha256) do update set key_id = excluded.key_id, tenant = excluded.tenant, subject = excluded.subject,
      subject_type = excluded.subject_type, role = excluded.role, expires_at = excluded.expires_at,
      issued_by = excluded.issued_by, revoked_at = null
  ),
  into_role_bindings as (
    insert into role_bindings (tenant, subject, role, scope, granted_by)
    select distinct on (k.tenant, k.subject, k.role, k.scope) k.tenant, k.subject, k.role, k.scope,
           case when k.effect = 'grant' then k.by end
    from keys k where k.effect in ('grant', 'ungrant')
    order by k.tenant, k.subject, k.role, k.scope, k.nth desc
    on conflict (tenant, subject, role, scope) do update set granted_by = excluded.granted_by
  ),
  into_model_scopes as (
    insert into model_scopes (stream, kind, tenant, scope)
    select distinct on (k.stream, k.kind) k.stream, k.kind, k.tenant, k.scope
    from keys k where k.effect = 'place'
    order by k.stream, k.kind, k.nth desc
    on conflict (stream, kind) do update set scope = excluded.scope
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

revoke all on function log.append_batch(json, json, text, json, text, json, json) from public;
grant execute on function log.append_batch(json, json, text, json, text, json, json) to modelog_service;
