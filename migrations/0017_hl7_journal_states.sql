-- The journal beyond the hot path: where a message came in and which route took it, former attempts, dead letters,
-- reviews, the search index, runs that process many messages again, and what they need to go on after a crash.

-- What waited for an outcome stands in a table of its own from now on, as do the failed ones: no index of hl7_message
-- then holds a column that changes, so that marking a message stored and acknowledged touches no index (HOT updates).
create table hl7_stale (
  message bigint primary key,
  since timestamptz not null default now()
);
insert into hl7_stale (message) select id from hl7_message where state = 'received';

-- Failed and not processed since. Resolved: a person has decided that nothing more is to be done.
create table hl7_dead_letter (
  message bigint primary key references hl7_message on delete cascade,
  since timestamptz not null,
  resolved_at timestamptz,
  resolved_by text,
  resolution text
);
create index hl7_dead_letter_open on hl7_dead_letter (message) where resolved_at is null;
insert into hl7_dead_letter (message, since)
  select id, coalesce(finished_at, received_at) from hl7_message where state = 'failed';

drop index hl7_message_received;
drop index hl7_message_failed;
-- Searches go through the search index; hl7_message_identity finds a control id that is used again.
drop index hl7_message_control_id;

alter table hl7_message
  -- mllp, http, file or api; the name of the listener, endpoint or folder; the peer's address or the file's name.
  add column source_kind text collate "C",
  add column source_name text collate "C",
  add column peer text,
  -- MSH-7 as the sender wrote it.
  add column message_time text,
  -- The route of the last attempt, and its version.
  add column route_id text collate "C",
  add column route_version int,
  -- Of the last attempt, in microseconds; ack_us: from the commit to the acknowledgment given to the connection.
  add column parse_us int,
  add column map_us int,
  add column store_us int,
  add column ack_us int,
  -- Who asked for the last attempt, where it was a person.
  add column attempted_by text,
  -- Why the route let it go without effect.
  add column filtered text;

-- filtered: the route takes it and wants no effect.
alter table hl7_message drop constraint hl7_message_state_check;
alter table hl7_message add constraint hl7_message_state_check
  check (state in ('received', 'stored', 'acknowledged', 'failed', 'filtered')) not valid;

-- The bytes of the message stand outside of the row, so that the two updates of its life copy some hundred bytes; room on
-- the page for those updates.
alter table hl7_message alter column ack set storage main, alter column wrote set storage main,
  alter column warnings set storage main;
alter table hl7_message alter column ack set compression lz4, alter column wrote set compression lz4;
alter table hl7_message set (toast_tuple_target = 256, fillfactor = 30);

-- Former attempts, the last one standing in hl7_message: written when another one follows.
create table hl7_attempt (
  message bigint not null references hl7_message on delete cascade,
  number int not null,
  finished_at timestamptz,
  state text not null,
  error_code text,
  error text,
  warnings text[] not null,
  wrote text[] not null,
  route_id text,
  route_version int,
  parse_us int,
  map_us int,
  store_us int,
  ack_us int,
  attempted_by text,
  primary key (message, number)
);

-- What a person has to decide.
create table hl7_review (
  id bigint generated always as identity primary key,
  message bigint not null references hl7_message on delete cascade,
  kind text not null,
  text text not null,
  -- Type/id of the resources it is about.
  concerns text[] not null,
  details jsonb,
  created_at timestamptz not null,
  resolved_at timestamptz,
  resolved_by text,
  resolution text
);
create unique index hl7_review_open on hl7_review (message, kind, md5(text)) where resolved_at is null;
create index hl7_review_message on hl7_review (message);

-- The search index: blocks of messages by number, each with its terms in buckets (hl7-engine/journal/postings.ts).
create table hl7_index_block (
  first_id bigint primary key,
  last_id bigint not null,
  received_from timestamptz not null,
  received_to timestamptz not null,
  messages int not null,
  buckets int not null
);
create table hl7_index_segment (
  block bigint not null references hl7_index_block on delete cascade,
  bucket int not null,
  data bytea compression lz4 not null,
  primary key (block, bucket)
);
-- One row: all messages up to this number are in the index, or in hl7_stale as well.
create table hl7_index_cursor (indexed_to bigint not null);
insert into hl7_index_cursor values (0);

-- Messages that match a filter, processed once more in the order in which they came.
create table hl7_reprocess_run (
  id text primary key,
  filter jsonb not null,
  status text not null default 'waiting'
    check (status in ('waiting', 'running', 'paused', 'cancelled', 'done', 'failed')),
  -- The last message done, and the last there was when it began.
  at bigint not null default 0,
  until bigint not null,
  total bigint,
  done bigint not null default 0,
  failures bigint not null default 0,
  -- The last failures: {message, error}.
  failed jsonb not null default '[]',
  error text,
  requested_by text,
  created timestamptz not null,
  started timestamptz,
  ended timestamptz,
  -- Milliseconds of work, pauses left out.
  worked_ms bigint not null default 0,
  worker text,
  leased_until timestamptz
);
