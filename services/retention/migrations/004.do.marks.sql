-- What tells the last message read of a topic's partition from another one that has its offset: in a topic that was made anew
-- while nobody read it. Null for the log, and for what was read before this was kept.
alter table retention.checkpoints add column mark text;
