-- A binding and a version are asked for by their ids alone; these find the streams that they belong to.
create index bindings_made on log.events ((data ->> 'binding_id')) where type = 'binding.created';
create index versions_made on log.events ((data ->> 'version_id')) where type = 'model.versioned';
