-- Plans of retention that somebody asked to see, until they expire. Nothing of the log rests on them: a plan that is carried
-- out is decided again, version by version.
create table log.retention_plans (
  plan_id uuid primary key,
  tenant text collate "C" not null,
  made_by text not null,            -- the subject who asked
  made_at timestamptz not null,
  expires_at timestamptz not null,
  plan json not null                -- what goes, model by model: see `retention-plans.ts` of the command API
);
create index plans_of_a_tenant on log.retention_plans (tenant, made_at);
grant select, insert, delete on log.retention_plans to modelog_service;
