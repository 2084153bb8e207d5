-- Policies of tenants, projects and models: the versions that due times were reckoned with. Where one has moved, the models
-- that it may be about are looked at again.
create table retention.reckoned_policies (
  stream text collate "C" primary key,
  version integer not null
);
grant select, insert, update on retention.reckoned_policies to modelog_service;

-- As before, and only if the policies that were judged by are still at their versions, too: one that was set in between
-- has brought the look forward, or will.
drop function retention.settle(text, integer, timestamptz);
create function retention.settle(
  p_stream text, p_version integer, p_next_check_at timestamptz, p_policies text[], p_policy_versions integer[]
)
returns boolean
language plpgsql
as $$
begin
  perform from retention.due d where d.stream = p_stream for update;
  update retention.due d set next_check_at = p_next_check_at
  where d.stream = p_stream
    and (select s.version from log.streams s where s.stream = p_stream) = p_version
    and not exists (
      select from unnest(p_policies, p_policy_versions) as judged_by(stream, version)
      where judged_by.version <> coalesce((select s.version from log.streams s where s.stream = judged_by.stream), 0)
    );
  return found;
end $$;
