-- FHIR packages (NPM-style archives of conformance resources): which are here, what they need and what came with them.
-- https://hl7.org/fhir/R4/implementationguide.html, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

create table fhir_package (
  name text collate "C" not null,      -- hl7.fhir.us.core
  version text collate "C" not null,
  state text collate "C" not null check (state in ('loading', 'installed')),
  canonical text collate "C",          -- of the guide
  title text,
  source text not null,                -- the file or address that it was read from
  resources integer not null default 0, -- conformance resources that are here
  refused integer not null default 0,   -- and those that could not be stored
  started timestamptz not null default clock_timestamp(),
  installed timestamptz,
  primary key (name, version)
);

create table fhir_package_dependency (
  name text collate "C" not null,
  version text collate "C" not null,
  needs text collate "C" not null,
  needs_version text collate "C" not null, -- 6.1.0, 6.1.x, current
  primary key (name, version, needs),
  foreign key (name, version) references fhir_package on delete cascade
);

-- The resources, whether they came with this package or were there before.
create table fhir_package_resource (
  name text collate "C" not null,
  version text collate "C" not null,
  type text collate "C" not null,
  id text collate "C" not null,
  url text collate "C",
  resource_version text collate "C",
  profile_of text collate "C",         -- of a profile on a resource type: that type
  primary key (name, version, type, id),
  foreign key (name, version) references fhir_package on delete cascade
);

-- Rises with each package that becomes installed: servers look at it to see whether their CapabilityStatement is still true.
create table fhir_package_revision (
  one boolean primary key default true check (one),
  n bigint not null default 0
);
insert into fhir_package_revision default values;
