-- When a receiver was last told of a resource: what is long past is forgotten. A default that is evaluated once, so that
-- nothing is rewritten: what was sent before counts as sent now.
alter table hl7_message_channel add column told_at timestamptz not null default now();
