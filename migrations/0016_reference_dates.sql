-- The date of the resource beside its references: what refers to a patient, sorted by date, is read from one index instead
-- of being looked up row by row (27 look-ups a page, a third of its cost). The lower end of the type's parameter `date`;
-- the least bigint: it has none; null: it can't be told, as in rows written before.
alter table index_reference add column date bigint;
create index index_reference_dated_idx on index_reference (param, target, rid) include (date);
drop index index_reference_param_target_rid_idx;
