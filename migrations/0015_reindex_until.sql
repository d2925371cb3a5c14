-- Where the pass over the type under way ends: what is written later is indexed as it should be, and writers that never
-- stop must not keep a run from its end.
alter table reindex_run add column until bigint;
