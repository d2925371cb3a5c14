-- Messages on their way to destinations, and the destinations' own state. A row is inserted in the transaction of what
-- caused it, under a lock of its partition that is held until that commits: within a partition ids are in the order of
-- the commits.
create table hl7_destination (
  name text collate "C" primary key,
  paused boolean not null default false,
  -- Who or what paused it.
  pause_reason text,
  paused_at timestamptz,
  -- Delivered up to this hl7_outbound.id, then paused; null: not draining.
  drain_to bigint,
  -- Rises when an operator changed queued rows: whoever holds some in memory reads them again.
  epoch bigint not null default 0,
  -- The one process that delivers. The token rises with every new holder and fences a former one.
  holder text,
  lease_until timestamptz,
  lease_token bigint not null default 0
);

create table hl7_outbound (
  id bigint generated always as identity primary key,
  destination text collate "C" not null,
  -- Hash of what keeps its order (the patient's identifier, or the whole destination).
  lane int not null,
  -- hl7_message.id of the message that caused it; null: none.
  journal_id bigint,
  -- MSH-10, '' for what is no HL7.
  control_id text collate "C" not null,
  body bytea compression lz4 not null,
  body_bytes int not null,
  -- queued; delivered: the receiver has said so; dead: given up, an operator decides; skipped: an operator took it out.
  state text collate "C" not null default 'queued' check (state in ('queued', 'delivered', 'dead', 'skipped')),
  queued_at timestamptz not null default statement_timestamp(),
  -- Attempts in which bytes may have reached the receiver, and how many of them it refused.
  attempts int not null default 0,
  refusals int not null default 0,
  ended_at timestamptz,
  -- Why the last attempt failed.
  error text,
  -- The receiver's answer, cut at 64 KiB, and the application acknowledgment that came after it.
  answer bytea compression lz4,
  application_answer bytea compression lz4
);
-- What is sent next; holds queued rows only, so its size is the backlog's. On `id + 0`, since with plain `id` the planner
-- walks the primary key, past a million rows that were delivered long ago (seen: 1,646 ms instead of 0.6).
create index hl7_outbound_queued on hl7_outbound (destination, (id + 0)) include (id, lane) where state = 'queued';
create index hl7_outbound_set_aside on hl7_outbound (destination, state, (id + 0)) where state in ('dead', 'skipped');
create index hl7_outbound_control_id on hl7_outbound (control_id, id);
create index hl7_outbound_ended on hl7_outbound (ended_at) where state in ('delivered', 'skipped');
create index hl7_outbound_journal on hl7_outbound (journal_id) where journal_id is not null;
