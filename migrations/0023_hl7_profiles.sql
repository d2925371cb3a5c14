-- Conformance profiles of HL7 messages that came through the admin API; those of HL7_PROFILES_DIR stay files.
create table hl7_profile (
  name text collate "C" primary key,
  at timestamptz not null default clock_timestamp(),
  author text not null,
  comment text not null,
  -- The XML documents as they were given, a JSON array of texts.
  documents text compression lz4 not null
);

-- Rises with each change, whose transaction holds the row; servers look at it to see that there was one.
create table hl7_profile_revision (
  one boolean primary key default true check (one),
  n bigint not null default 0
);
insert into hl7_profile_revision default values;
