-- Versions go into the index of parents at once, in the generations that are there as in new ones (views/versions.sql). What waited to go
-- in is gone through by every question about children, so it goes in now.
do $$
declare
  made regclass;
begin
  for made in
    select c.oid from pg_class c
    where c.relnamespace = 'views'::regnamespace and c.relkind = 'i' and c.relname like 'versions\_by\_parent\_g%'
  loop
    execute format('alter index %s set (fastupdate = off)', made);
    perform gin_clean_pending_list(made);
  end loop;
end $$;
