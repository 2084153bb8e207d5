-- Counters. No row is written by two partitions: each has those of its own streams, and they are summed when read.
create table views.stats_gN (
  tenant text collate "C" not null,
  dimension text collate "C" not null,
  key text collate "C" not null,
  bucket smallint not null,         -- the partition of the streams that are counted here
  count bigint not null,
  state text not null,              -- the row as JSON
  primary key (tenant, dimension, key, bucket)
) with (fillfactor = 50);
