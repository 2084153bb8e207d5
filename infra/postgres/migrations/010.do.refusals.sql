-- What was refused on one model, in order, as its timeline tells it.
create index audit_records_of_a_stream_in_order on log.audit_records (stream, recorded_at, id) where stream is not null;
