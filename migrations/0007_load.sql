-- How far `cerebra load` has come: what of which file is committed, written in the transaction that stores it.

-- A file is known by its path, size and time of change; one that was changed since is another one.
create table load_file (
  file integer generated always as identity primary key,
  path text not null,
  bytes bigint not null,
  modified bigint not null,      -- nanoseconds since 1970 UTC
  started timestamptz not null default now(),
  finished timestamptz,          -- null: a later run goes on with it
  created bigint not null default 0,
  updated bigint not null default 0,
  present bigint not null default 0,
  refused bigint not null default 0,
  unique (path, bytes, modified)
);

-- Pieces of files under way: from and to are bytes of a file of lines (as it is after gunzip), entries of a Bundle.
-- They are summed up into load_file when the file is finished.
create table load_range (
  file integer not null references load_file on delete cascade,
  from_at bigint not null,
  to_at bigint not null,
  lines integer not null,
  created integer not null,
  updated integer not null,
  present integer not null,
  refused integer not null,
  primary key (file, from_at)
);
