-- One row a promotion request. Its id is a UUIDv7, so it orders requests by when they were made.
create table views.promotion_requests_gN (
  promotion_request_id uuid not null,
  tenant text collate "C" not null,
  model_id uuid not null,
  progress text not null,               -- its state, but for its time: past `expires_at` what is open or approved has expired
  expires_at timestamptz not null,
  state text storage external not null,  -- the folded row as JSON, from which every answer is made
  primary key (tenant, promotion_request_id)
) with (fillfactor = 70, toast_tuple_target = 4080);
create index promotion_requests_of_a_model_gN on views.promotion_requests_gN (model_id, promotion_request_id);
