-- An append's rows come as arrays of the types below, which are read in a third of the time that JSON took; its wide texts come as one
-- parameter of bytes, from which each is cut out where its row says; and what many entries ask for alike (the streams that they
-- were decided on, a tenant's last serials) is looked up once a batch.

drop function log.append_batch(json, json, text, json, text, json, json);

-- One a stream; how many events it has, and how many of them ask for a serial of each kind. Entries count from 1 in their array.
create type log.new_entry as (stream text, tenant text, expected integer, events integer, models integer, versions integer);
-- Another stream that an entry was decided on.
create type log.decided_on as (entry integer, stream text, version integer);
-- `last`: the entry's events up to and with this command's; `wrote`: it has any. Commands count from 1 in their array.
create type log.new_command as (
  entry integer, command_id uuid, request_hash text, status smallint, last integer, wrote boolean);
-- `nth` and `nth_of_kind` count from 1 in the entry. Where its data and its command's metadata are: from which byte, how many.
create type log.new_event as (
  entry integer, nth integer, id uuid, type text, schema_version integer, serial_kind text, nth_of_kind integer,
  data_start integer, data_length integer, metadata_start integer, metadata_length integer);
-- A name that an entry takes or frees.
create type log.new_claim as (entry integer, claim text);
-- A scope that an entry's stream is in from now on, null: none of the kind.
create type log.new_scope as (entry integer, kind text, scope text);

-- Appends a batch: one call, one transaction.
--   p_texts    the events' data and the commands' metadata as JSON, UTF-8
--   p_escapes  whether there is `\u` in any of them
--   p_keys     JSON, as there is seldom one: [{entry, nth, effect, key_id, sha256, tenant, subject, subject_type, role, expires_at, by, scope}]
--                effects: issue and revoke a key; grant and ungrant a role in a scope. `nth` counts from 1 in the batch: of two
--                effects on one row, the last holds. `by`: who asked
-- Returns {position, recorded_at, refused: [[entry, verdict]], seen: [{command, …}], serials: [[entry, model, version]]}:
-- the position before the batch (its events follow without a gap, in order), the time in ms, what was not appended, and
-- for entries that ask for serials the last ones given before them.
-- Positions and serials are counted on entries, so that the wide rows of events are read once and never sorted.
create function log.append_batch(
  p_entries log.new_entry[], p_decided_on log.decided_on[], p_commands log.new_command[], p_events log.new_event[],
  p_texts bytea, p_escapes boolean, p_takes log.new_claim[], p_frees log.new_claim[], p_scopes log.new_scope[], p_keys json
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
  -- A json column takes escapes that no reader could make text of: of NUL, and of half a surrogate pair. A backslash that is
  -- itself escaped is told from one that escapes.
  if p_escapes and exists (
    select from unnest(p_events) v
    where convert_from(substr(p_texts, v.data_start, v.data_length), 'UTF8') ~ unreadable
       or convert_from(substr(p_texts, v.metadata_start, v.metadata_length), 'UTF8') ~ unreadable
  ) then
    raise exception 'a value holds what cannot be text' using errcode = 'untranslatable_character';
  end if;
  select * into strict head from log_head for update;
  now_ms := greatest(date_trunc('milliseconds', clock_timestamp()), head.recorded_at);

  with
  entry as materialized (
    select e.entry::int, e.stream, e.tenant, e.expected, e.events, e.models, e.versions,
           coalesce((select s.version from streams s where s.stream = e.stream), 0) as current
    from unnest(p_entries) with ordinality as e(stream, tenant, expected, events, models, versions, entry)
  ),
  command as materialized (
    select c.command, c.entry, c.command_id, c.request_hash, c.status, c.last, c.wrote,
           k.request_hash as seen_hash, k.stream as seen_stream, k.stream_version as seen_version,
           k.position as seen_position, k.status as seen_status, k.command_id is not null as seen
    from unnest(p_commands) with ordinality as c(entry, command_id, request_hash, status, last, wrote, command)
    left join lateral (select * from commands k where k.command_id = c.command_id limit 1) k on true
  ),
  taken as materialized (
    select t.entry, t.claim, (select h.stream from claims h where h.claim = t.claim) as held_by
    from unnest(p_takes) t
  ),
  -- streams that entries were decided on, as they are, with the entry that writes them in this batch
  rested as materialized (
    select d.stream, coalesce((select s.version from streams s where s.stream = d.stream), 0) as current, e.entry as written_by
    from (select distinct d.stream from unnest(p_decided_on) d) d
    left join entry e on e.stream = d.stream
  ),
  -- entries of which a command is recorded already, a name is held (or taken by an entry before in this batch), or another
  -- stream that they were decided on has moved (or moves in this batch)
  seen_entry as materialized (
    select distinct c.entry from command c where c.seen
  ),
  claimed_entry as materialized (
    select distinct t.entry
    from (select entry, held_by, row_number() over (partition by claim order by entry) as turn from taken) t
    where t.held_by is not null or t.turn > 1
  ),
  misled_entry as materialized (
    select distinct d.entry
    from unnest(p_decided_on) d
    join rested r on r.stream = d.stream
    where r.current <> d.version or r.written_by <> d.entry
  ),
  judged as materialized (
    select e.entry, e.stream, e.tenant, e.expected, e.events, e.models, e.versions,
           case
             when s.entry is not null then 'seen'
             when e.current <> e.expected or m.entry is not null then 'conflict'
             when c.entry is not null then 'claimed'
           end as refusal
    from entry e
    left join seen_entry s on s.entry = e.entry
    left join misled_entry m on m.entry = e.entry
    left join claimed_entry c on c.entry = e.entry
  ),
  given as materialized (
    select t.tenant,
           coalesce((select s.last from serials s where s.tenant = t.tenant and s.kind = 'model'), 0) as model,
           coalesce((select s.last from serials s where s.tenant = t.tenant and s.kind = 'version'), 0) as version
    from (select distinct e.tenant from entry e where e.models + e.versions > 0) t
  ),
  -- where each entry's positions and serials begin: those before it in the batch, after those in the log
  accepted as materialized (
    select j.entry, j.stream, j.tenant, j.expected, j.events, j.models, j.versions,
           head.position + sum(j.events) over (order by j.entry) - j.events as position,
           case when j.models > 0
             then g.model + sum(j.models) over (partition by j.tenant order by j.entry) - j.models end as model_serial,
           case when j.versions > 0
             then g.version + sum(j.versions) over (partition by j.tenant order by j.entry) - j.versions end as version_serial
    from judged j
    left join given g on g.tenant = j.tenant
    where j.refusal is null
  ),
  into_events as (
    insert into events (position, tenant, stream, version, event_id, type, schema_version, data, metadata, serial, recorded_at)
    select a.position + v.nth, a.tenant, a.stream, a.expected + v.nth, v.id, v.type, v.schema_version,
           convert_from(substr(p_texts, v.data_start, v.data_length), 'UTF8')::json,
           convert_from(substr(p_texts, v.metadata_start, v.metadata_length), 'UTF8')::json,
           case v.serial_kind when 'model' then a.model_serial + v.nth_of_kind
                              when 'version' then a.version_serial + v.nth_of_kind end,
           now_ms
    from unnest(p_events) v
    join accepted a on a.entry = v.entry
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
    where h.claim = any (array(select f.claim from unnest(p_frees) f join accepted a on a.entry = f.entry))
      and h.stream = any (array(select a.stream from accepted a))
  ),
  into_claims as (
    insert into claims (claim, stream)
    select t.claim, a.stream from taken t join accepted a on a.entry = t.entry
  ),
  into_model_scopes as (
    insert into model_scopes (stream, kind, tenant, scope)
    select distinct on (a.stream, s.kind) a.stream, s.kind, a.tenant, s.scope
    from unnest(p_scopes) with ordinality as s(entry, kind, scope, nth) join accepted a on a.entry = s.entry
    order by a.stream, s.kind, s.nth desc
    on conflict (stream, kind) do update set scope = excluded.scope
  ),
  keys as materialized (
    select k.* from json_to_recordset(p_keys)
      as k(entry int, nth int, effect text, key_id uuid, sha256 text, tenant text, subject text, subject_type text, role text,
           expires_at timestamptz, by text, scope text)
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

revoke all on function log.append_batch(
  log.new_entry[], log.decided_on[], log.new_command[], log.new_event[], bytea, boolean, log.new_claim[], log.new_claim[],
  log.new_scope[], json) from public;
grant execute on function log.append_batch(
  log.new_entry[], log.decided_on[], log.new_command[], log.new_event[], bytea, boolean, log.new_claim[], log.new_claim[],
  log.new_scope[], json) to modelog_service;
