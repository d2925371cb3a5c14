-- Subscriptions to topics: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html

-- Of a Subscription to a topic: {"url", "content", "filters", "maxCount", "heartbeatSeconds", "timeoutSeconds"}; null for one
-- with R4 criteria. Nothing is rewritten.
alter table subscriber add column topic jsonb,
  -- Not before then is a heartbeat sent; null without.
  add column heartbeat_at timestamptz;
create index on subscriber (heartbeat_at) where state = 'active' and heartbeat_at is not null;

-- What was done to the resource: create | update | delete.
alter table delivery add column op text not null default 'update';
