-- How far rebuilding the index rows has come: a run goes on where it was, in this process or another.
create table reindex_run (
  id text primary key,
  types text[] not null,           -- in the order in which they are gone through
  at integer not null default 0,   -- place of the type under way, from 0
  rid bigint not null default 0,   -- the last resource done of that type
  done bigint not null default 0,  -- resources looked at
  changed bigint not null default 0, -- of these, those whose rows were not right
  total bigint,                    -- resources when it began
  status text not null default 'waiting' check (status in ('waiting', 'running', 'done', 'failed')),
  error text,
  created timestamptz not null,
  started timestamptz,
  ended timestamptz,
  worker text,                     -- who holds it,
  leased_until timestamptz         -- and until when
);
