-- What Subscriptions with a channel of type message have sent: of each resource the last delivery, so that one that is
-- repeated after a crash queues nothing, and what the receiver was told, so that the next message says what has become of it.
create table hl7_message_channel (
  -- Subscription.id
  subscription text collate "C" not null,
  -- Appointment/1
  resource text collate "C" not null,
  -- Number of the delivery within the subscription.
  number bigint not null,
  -- What the kind of message keeps: a status, the time of an appointment. null: nothing.
  told text,
  primary key (subscription, resource)
);
