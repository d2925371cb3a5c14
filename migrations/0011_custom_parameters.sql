-- Search parameters beside R4's, as they are in force, and a fence that keeps out writes by whoever does not know them yet.

-- One row. Servers look at it to see whether what they know is still what counts.
create table parameter_registry (
  one boolean primary key default true check (one),
  epoch integer not null default 0,    -- rises when writers have to extract something else than before
  revision bigint not null default 0,  -- rises with each change of custom_parameter
  source text collate "C" not null default '0/0' -- of which stored SearchParameters it was made: their number, sum of seq
);
insert into parameter_registry default values;

create table custom_parameter (
  type text collate "C" not null,
  code text collate "C" not null,
  parameter text collate "C" not null, -- id of the SearchParameter
  definition text not null,            -- JSON: what index rows are made by
  about text not null,                 -- JSON: url, target, description
  epoch integer not null,              -- every write since has indexed by this definition
  indexed boolean not null,            -- and so is all that was there before
  indexed_at timestamptz,
  run text,                            -- the run of $reindex that saw to it; null where there was nothing to index
  primary key (type, code)
);

-- The epoch that a resource was indexed in. A constant default: no row is rewritten.
alter table change add column epoch integer not null default 0;

-- Of the pass over the type under way: what was in force when it began.
alter table reindex_run add column epoch integer;

create function stale_parameters() returns trigger language plpgsql as $$
begin
  raise exception 'search parameters have changed since this resource was indexed' using errcode = 'CR001';
end
$$;

-- From its commit on no write of an earlier epoch gets through. Replacing the trigger waits for writers under way and
-- keeps out new ones meanwhile (SHARE ROW EXCLUSIVE); readers, backups among them, are in nobody's way. While there is
-- no custom parameter there is no trigger; a row that passes costs the evaluation of WHEN, and COPY still takes many
-- rows at a time, as it does with no BEFORE trigger.
create function fence_parameters(epoch integer) returns void language plpgsql as $$
begin
  execute format(
    'create or replace trigger change_epoch after insert on change for each row
       when (new.op <> ''d'' and new.epoch < %s) execute function stale_parameters()', epoch);
end
$$;
