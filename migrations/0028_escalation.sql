-- Escalation: who is told of an alert, step by step, until somebody acts. PostgreSQL's clock decides what is due.

-- One row for each time that an alert was raised.
create table escalation (
  alert text collate "C" not null,         -- Alert.id
  run integer not null,                    -- 1, 2 …: raised again after its end
  chain text collate "C" not null,         -- PlanDefinition.id
  state text not null,                     -- open | exhausted | acknowledged | cleared | closed
  facts jsonb not null,                    -- the alert as it was when it began, or when its severity rose
  plan jsonb,                              -- the chain as it was read then; null until it has been read
  turn integer not null default 0,         -- turns of the plan that have begun
  steps integer not null default 0,        -- rows of escalation_step
  due_at timestamptz,                      -- when it goes on; null: no more
  lease_token bigint not null default 0,   -- fences a server whose lease was taken over
  error text,                              -- why it can't go on
  began_at timestamptz not null default statement_timestamp(),
  ended_at timestamptz,
  primary key (alert, run)
);
create index on escalation (due_at) where due_at is not null;
create index on escalation (began_at, alert) where state in ('open', 'exhausted');
create index on escalation (ended_at) where ended_at is not null;

-- One row for each step that was begun.
create table escalation_step (
  alert text collate "C" not null,
  run integer not null,
  number integer not null,                 -- 1, 2 … within the run
  title text not null,
  began_at timestamptz not null default statement_timestamp(),
  until_at timestamptz not null,           -- when the next one follows
  note text,                               -- who could not be reached, and why
  primary key (alert, run, number)
);

-- One row for each message to one recipient over one channel, written before it is sent.
create table escalation_message (
  id text collate "C" primary key,         -- Communication.id, and the Message-ID of mails
  alert text collate "C" not null,
  run integer not null,
  number integer not null,                 -- of its step; 0: of the end
  kind text not null,                      -- alert | acknowledged | cleared | closed
  channel text not null,                   -- websocket | email | name of an endpoint
  recipient text not null,                 -- a reference; '' where the endpoint itself is told
  address text not null,                   -- of an email or telephone; '' where the endpoint has it
  place integer not null,                  -- 0, 1 …: tried in this order; -1: beside them
  detail boolean not null,                 -- the values are told
  -- waiting | standby (until an earlier place fails) | held (too many to that address) | sending | sent | failed | cancelled
  state text not null,
  code text not null,                      -- digits for an acknowledgment by reply
  due_at timestamptz,                      -- when to send; while it is sent: when another server may
  until_at timestamptz not null,           -- tried no longer
  attempts integer not null default 0,
  lease_token bigint not null default 0,
  created_at timestamptz not null default statement_timestamp(),
  sent_at timestamptz,
  answered_at timestamptz,                 -- acknowledged through this message
  digest text collate "C",                 -- told as a part of that message
  error text
);
create index on escalation_message (due_at) where due_at is not null;
create index on escalation_message (alert, run, number);
create index on escalation_message (channel, address, sent_at) where sent_at is not null;
create index on escalation_message (channel, address, created_at, id) where state = 'held';
create index on escalation_message (channel, address) where state = 'sending';

-- Signs the links of messages: one for all servers of a database.
create table escalation_key (
  single boolean primary key default true check (single),
  key bytea not null
);
