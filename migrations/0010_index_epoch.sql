-- Rises when index rows change without a change row, as $reindex does: totals that were counted before are counted anew.
create table index_epoch (
  n bigint not null
);
insert into index_epoch values (0);
