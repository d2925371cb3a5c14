-- SubscriptionTopics: http://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics-in-r4

-- Basics that are topics, as far as the change stream has been dispatched: written together with the cursor, so that a server
-- that takes over matches by the topics the last one knew.
create table subscription_topic (
  id text primary key,                   -- Basic.id
  version integer not null,              -- of the Basic
  url text not null default '',          -- canonical URL
  status text not null,                  -- draft | active | retired | unknown | gone: deleted, or no topic any more
  topic jsonb,                           -- what it says; null when it is gone
  fault text not null default ''         -- why it can't be used; '' when it can
);
create index on subscription_topic (url);
