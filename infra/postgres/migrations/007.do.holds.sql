-- A hold is released by its id alone; this finds the stream that it belongs to.
create index holds_placed on log.events ((data ->> 'hold_id')) where type = 'hold.placed';
