-- Code systems as rows: releases that were loaded, and stored CodeSystems too large for memory. Each system has its own
-- partition of every table below (concept_12, concept_child_12, …), which is filled before it is indexed and dropped as
-- one. https://hl7.org/fhir/R4/codesystem.html

create table code_system (
  cs integer generated always as identity primary key,
  url text collate "C" not null,
  version text collate "C" not null default '',
  resource text collate "C",        -- id of the CodeSystem that it was made from; null for a release that was loaded
  resource_version integer,         -- and its meta.versionId
  state text collate "C" not null check (state in ('loading', 'active', 'leaving')),
  case_sensitive boolean not null,
  about text not null,              -- the CodeSystem without its concepts, as JSON
  concepts integer not null default 0,
  designations integer not null default 0,
  progress jsonb,                   -- a loader's own account of how far it is
  started timestamptz not null default now(),
  activated timestamptz,
  left_at timestamptz               -- since when it is leaving: its tables go a little later, when nobody asks them any more
);
create unique index code_system_release on code_system (url, version) where resource is null and state = 'active';
create unique index code_system_resource on code_system (resource, resource_version) where resource is not null and state = 'active';

-- Rises with every change of what is active: servers look at it to see whether what they know still counts.
create table code_system_epoch (
  one boolean primary key default true check (one),
  n bigint not null default 0
);
insert into code_system_epoch default values;

create table concept (
  cs integer not null,
  n integer not null,               -- from 0, in the order of the system
  abstract boolean not null,
  inactive boolean not null,
  code text collate "C" not null,
  display text,
  definition text,
  status text collate "C",          -- the property `status`, where the system has it
  words tsvector not null           -- folded: A of the display, B of the code
) partition by list (cs);

-- Of every concept, also of one that stands alone; kept apart since it is known only when all concepts are.
create table concept_lineage (
  cs integer not null,
  n integer not null,
  descendants integer not null,     -- how many
  parents integer[] not null,       -- ascending, as ancestors are
  ancestors integer[] not null      -- all of them, itself not among them
) partition by list (cs);

create table concept_child (
  cs integer not null,
  parent integer not null,
  child integer not null
) partition by list (cs);

-- What lies below a concept, itself not included. What lies above stands in concept_lineage.ancestors.
create table concept_closure (
  cs integer not null,
  ancestor integer not null,
  descendant integer not null
) partition by list (cs);

create table concept_designation (
  cs integer not null,
  n integer not null,
  language text collate "C",
  use_system text collate "C",
  use_code text collate "C",
  use_display text,
  value text not null,
  words tsvector not null           -- folded
) partition by list (cs);

create table concept_property (
  cs integer not null,
  n integer not null,
  grp smallint not null default 0,  -- role group of SNOMED CT
  type text collate "C" not null,   -- code, Coding, string, integer, boolean, dateTime, decimal
  code text collate "C" not null,
  value text collate "C" not null,  -- of a Coding its code
  system text collate "C",          -- of a Coding
  display text                      -- of a Coding
) partition by list (cs);

-- Tables of $closure: https://hl7.org/fhir/R4/conceptmap-operation-closure.html
create table closure_table (
  name text collate "C" primary key,
  version integer not null default 0
);
create table closure_concept (
  name text collate "C" not null references closure_table on delete cascade,
  version integer not null,         -- in which it was added
  system text collate "C" not null,
  system_version text collate "C",
  code text collate "C" not null,
  display text,
  primary key (name, system, code)
);
create table closure_entry (
  name text collate "C" not null references closure_table on delete cascade,
  version integer not null,
  system text collate "C" not null,
  code text collate "C" not null,   -- what is subsumed
  target text collate "C" not null, -- by this one
  primary key (name, system, code, target)
);
create index on closure_entry (name, version);
