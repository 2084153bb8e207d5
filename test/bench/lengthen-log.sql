-- Makes a log long: one more copy of every model's stream that `bench_source` holds, with ids, names and serials of its own.
-- $1 counts the copies from 1. Run while no service does; each table is filled as `log.append_batch` would have.
with
copy as materialized (
  select $1::integer as nth, h.position as head,
         (select last from log.serials where kind = 'model') as models,
         (select last from log.serials where kind = 'version') as versions
  from log.log_head h
),
stream as materialized (
  select s.stream, s.model_id, s.version, pg_temp.copied_id(s.model_id, c.nth)::text as copied_id, c.nth
  from bench_source_streams s, copy c
),
into_events as (
  insert into log.events (position, tenant, stream, version, event_id, type, schema_version, data, metadata, serial, recorded_at)
  select c.head + e.nth, e.tenant, 'model:' || e.tenant || ':' || s.copied_id, e.version,
         pg_temp.copied_id(e.event_id::text, c.nth), e.type, e.schema_version,
         replace(replace(e.data, s.model_id, s.copied_id), '"name":"', '"name":"copy-' || c.nth || '-')::json, e.metadata,
         case e.type when 'model.registered' then c.models else c.versions end + e.serial, e.recorded_at
  from copy c, bench_source e join stream s on s.stream = e.stream
  order by e.nth
),
into_commands as (
  insert into log.commands (command_id, request_hash, stream, stream_version, position, status)
  select pg_temp.copied_id(k.command_id::text, c.nth), k.request_hash, 'model:' || e.tenant || ':' || s.copied_id, k.stream_version,
         c.head + e.nth, k.status
  from copy c, log.commands k join bench_source e on e.position = k.position join stream s on s.stream = k.stream
),
into_streams as (
  insert into log.streams (stream, version)
  select 'model:default:' || copied_id, version from stream
),
into_claims as (
  insert into log.claims (claim, stream)
  select replace(k.claim, 'model-name:default:', 'model-name:default:copy-' || s.nth || '-'), 'model:default:' || s.copied_id
  from log.claims k join stream s on s.stream = k.stream
),
into_scopes as (
  insert into log.model_scopes (stream, kind, tenant, scope)
  select 'model:default:' || s.copied_id, m.kind, m.tenant, m.scope
  from log.model_scopes m join stream s on s.stream = m.stream
),
into_serials as (
  update log.serials l set last = l.last + (
    select count(*) from bench_source e
    where e.serial is not null and (e.type = 'model.registered') = (l.kind = 'model'))
),
counted as (select count(*) as events from bench_source)
update log.log_head set position = position + counted.events from counted
returning position
