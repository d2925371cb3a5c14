-- What the channels of R4 Subscriptions need beside a rest-hook's: https://hl7.org/fhir/R4/subscription.html#channels

-- `secret` signs what is sent. `host` is where it goes, host:port: requests under way are counted by it.
-- Constant defaults: nothing is rewritten.
alter table subscriber add column secret text not null default '', add column host text not null default '';
update subscriber set host = lower(substring(endpoint from '^https?://([^/?#]*)'))
  where endpoint ~* '^https?://' and state <> 'deleted';

-- Up to which number the web socket client of a Subscription has confirmed its pings. A table of its own: the dispatcher
-- locks many rows of subscriber at once, in no order, and what many clients leave at once must not meet it there.
create table websocket_client (
  subscriber text collate "C" primary key,
  seen_number bigint not null
);
