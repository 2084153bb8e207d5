-- Who had a name at a time: the claims know only who has it now.
create index names_given on log.events (tenant, (data ->> 'name'), position)
  where type in ('model.registered', 'model.renamed', 'model.restored');
