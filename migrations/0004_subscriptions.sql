-- Subscriptions: who listens, what each is owed, and how far the change stream has been dispatched.
-- https://hl7.org/fhir/R4/subscription.html

-- One row per consumer of the change stream: its cursor and the lease of the one server that dispatches.
create table dispatcher (
  name text primary key,
  xid bigint not null default 0,
  seq bigint not null default 0,
  holder text,
  lease_until timestamptz
);
insert into dispatcher (name) values ('subscriptions');

-- One row per Subscription (and per built-in alert), as the change stream has shown it so far. Kept when the Subscription
-- is deleted, so that a number is never given twice.
create table subscriber (
  id text collate "C" primary key,       -- Subscription.id, or 'alert:' and the rule's name
  channel text not null,                 -- rest-hook | alert
  state text not null,                   -- requested | active | error | off | deleted
  version integer not null,              -- version of the Subscription last seen in the stream
  criteria text not null default '',
  endpoint text not null default '',
  payload text not null default '',      -- '' sends no body
  header text[] not null default '{}',
  ends_at timestamptz,
  last_number bigint not null default 0, -- number of the newest delivery
  done_number bigint not null default 0, -- every delivery up to this one has ended
  due_at timestamptz,                    -- when to try next; null: nothing owed, or not active
  attempts integer not null default 0,   -- failed attempts of delivery done_number + 1
  failing_since timestamptz,
  lease_token bigint not null default 0, -- fences a deliverer whose lease was taken over
  lease_until timestamptz,
  error text,                            -- why the last attempt failed
  check_version integer,                 -- version that waits to be checked and set active or error
  report text                            -- text that waits to be written to Subscription.error
);
create index on subscriber (due_at) where state = 'active' and due_at is not null;
create index on subscriber (id) where check_version is not null or report is not null;
create index on subscriber (ends_at) where state = 'active' and ends_at is not null;

create table delivery (
  subscriber text collate "C" not null,
  number bigint not null,                -- 1, 2, 3 … per subscriber without a gap
  change_xid bigint not null,
  change_seq bigint not null,
  changed_at timestamptz not null,
  version integer not null,
  attempts integer not null default 0,
  type text not null,
  id text collate "C" not null,
  outcome text,                          -- null: pending; delivered | failed | gone | requeued
  ended_at timestamptz,
  error text,
  primary key (subscriber, number)
);
create index on delivery (ended_at) where ended_at is not null;
