-- Each name of a parent of a version in another model, all that say the same told alike: what `namedParent` (events/model/lineage.ts) does.
create function log.parents_named(data json) returns text[] language sql immutable parallel safe
return array(
  select case when p ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then lower(p)
              else regexp_replace(p, '/0+(?=[0-9]+$)', '/') end
  from json_array_elements_text(data -> 'lineage' -> 'parent_versions') p);

-- What was made of a version, in whatever model: asked when it is to be deleted. A lineage never changes.
create index children_made on log.events using gin (log.parents_named(data))
  where type = 'model.versioned' and data #>> '{lineage,parent_versions}' <> '[]';
