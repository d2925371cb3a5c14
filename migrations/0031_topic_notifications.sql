-- Notifications of topics: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html

-- Events that were told and are to be told again ($resend), and how many of a subscriber's. Constant defaults: nothing is
-- rewritten; the index is made of no rows.
alter table delivery add column resend boolean not null default false;
create index on delivery (subscriber, number) where resend;
alter table subscriber add column resends integer not null default 0;

-- What was set aside, for the list of dead letters.
create index on delivery (subscriber, number) where outcome = 'failed';

-- Tokens of $get-ws-binding-token, by the SHA-256 of what the client holds: whoever reads this table can't bind with it.
create table websocket_token (
  hash bytea primary key,
  subscriptions text[] not null,         -- Subscription.id
  scope jsonb not null,                  -- AccessScope of who asked for it
  expires_at timestamptz not null
);
create index on websocket_token (expires_at);
