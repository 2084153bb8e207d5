-- A promotion request is asked for by its id alone; this finds the stream that it belongs to.
create index promotions_requested on log.events ((data ->> 'promotion_request_id')) where type = 'promotion.requested';
