-- Routes of HL7 messages as data: each change is a version of its own, and none is ever lost.
create table hl7_route_version (
  route text collate "C" not null,
  version integer not null check (version > 0),
  at timestamptz not null default clock_timestamp(),
  author text not null,
  comment text not null,
  action text collate "C" not null check (action in ('put', 'delete', 'enable', 'disable', 'rollback')),
  -- api: through the admin API. folder: a file of HL7_ROUTES_DIR.
  origin text collate "C" not null check (origin in ('api', 'folder')),
  -- The route as it was written, JSON; null: deleted.
  body text compression lz4,
  primary key (route, version)
);

create function hl7_route_version_kept() returns trigger language plpgsql as $$
begin
  raise exception 'versions of HL7 routes are kept as they are';
end $$;
create trigger hl7_route_version_kept before update or delete on hl7_route_version
  for each row execute function hl7_route_version_kept();

-- The version of each route that is in force.
create table hl7_route (
  id text collate "C" primary key,
  version integer not null,
  foreign key (id, version) references hl7_route_version (route, version)
);

-- Rises with each change, whose transaction holds the row: changes come one after the other, and servers look at it to
-- see that there was one.
create table hl7_route_revision (
  one boolean primary key default true check (one),
  n bigint not null default 0
);
insert into hl7_route_revision default values;
