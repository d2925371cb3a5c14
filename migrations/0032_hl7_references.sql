-- References that merges of patients move (HL7 v2 A18, A30, A34, A36, A39, A40): what was moved, so that A37 can take it back,
-- and the work that is left where there is more than one transaction is to change.

-- A reference that was the merged patient's and is the survivor's now. Taken back, its row goes.
create table hl7_moved_reference (
  -- Ids of patients.
  merged text collate "C" not null,
  survivor text collate "C" not null,
  type text collate "C" not null,
  id text collate "C" not null,
  -- That the move made: a resource of another version has changed since.
  version int not null,
  -- FHIRPath: Observation.subject.reference
  paths text[] not null,
  primary key (merged, survivor, type, id)
);
-- A resource that was moved twice is in two rows.
create index hl7_moved_reference_resource on hl7_moved_reference (type, id);

create table hl7_reference_run (
  id bigint generated always as identity primary key,
  -- merge: what refers to from_id is to refer to to_id; unmerge: what such a merge has moved goes back from from_id to to_id.
  kind text not null check (kind in ('merge', 'unmerge')),
  from_id text collate "C" not null,
  to_id text collate "C" not null,
  -- Only what refers to this as well: Encounter/1, a visit that was moved.
  about text collate "C",
  status text not null default 'waiting' check (status in ('waiting', 'done', 'cancelled', 'failed')),
  moved bigint not null default 0,
  -- Changed since the merge: they stay where they are.
  kept bigint not null default 0,
  -- As of the last portion; null before the first.
  remaining bigint,
  -- Looks after a merge for what a message wrote that had found the patient just before.
  sweep boolean not null default false,
  due timestamptz not null default now(),
  error text,
  created timestamptz not null default now(),
  ended timestamptz
);
-- Those that are open are few.
create index hl7_reference_run_open on hl7_reference_run (id) where status in ('waiting', 'failed');
