-- The journal of HL7 v2 messages: every message's bytes are committed here before anything is made of them, and what
-- became of it is marked in the transaction that stores it.
create table hl7_message (
  id bigint generated always as identity primary key,
  received_at timestamptz not null,
  -- MSH-3|MSH-4 and MSH-10, control characters removed, cut at 200 characters; empty if the bytes are no HL7.
  sender text collate "C" not null,
  control_id text collate "C" not null,
  -- SHA-256 of raw. The same three again is the same message; another hash under one control id is a message of its own.
  content_hash bytea not null,
  control_id_reused boolean not null,
  -- MSH-9 as ORU^R01.
  type text collate "C" not null,
  raw bytea compression lz4 not null,
  -- received: no outcome yet. stored: its resources are committed. acknowledged: and the ACK was given to the connection.
  -- failed: refused, nothing was stored.
  state text not null default 'received' check (state in ('received', 'stored', 'acknowledged', 'failed')),
  -- Times the message was mapped to an end, and times it came.
  attempts int not null default 0,
  deliveries int not null default 1,
  -- Of the last attempt: HL7 table 0357 code and text, when refused.
  error_code text,
  error text,
  -- What was left out or guessed in mapping.
  warnings text[] not null default '{}',
  -- The acknowledgment's bytes.
  ack bytea,
  -- Type/id/_history/version of each resource created or updated.
  wrote text[] not null default '{}',
  finished_at timestamptz
);
create unique index hl7_message_identity on hl7_message (sender, control_id, content_hash);
-- What a start has to take up again; stays tiny.
create index hl7_message_received on hl7_message (id) where state = 'received';
create index hl7_message_failed on hl7_message (id) where state = 'failed';
create index hl7_message_control_id on hl7_message (control_id, id);
