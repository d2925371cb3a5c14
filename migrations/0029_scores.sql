-- Early warning scores: the readings that they are computed from, and what is still to be computed.

-- What is known of a patient here. `born`: Patient.birthDate, or ''. `last_at`: of the latest reading, milliseconds since 1970.
create table score_patient (
  patient text collate "C" primary key,
  born text not null,
  last_at bigint not null
) with (fillfactor = 70);

-- Readings of vital signs as the store's Observations have them now, one row a vital. Nothing is forgotten: a correction years
-- later still finds what it concerns, and the latest of a vital before an instant is one look into the index.
create table score_reading (
  patient text collate "C" not null,
  at bigint not null,                     -- when it was taken, milliseconds since 1970
  vital text collate "C" not null,
  observation text collate "C" not null,  -- Observation.id
  value text not null,                    -- a number in the vital's unit, or the name of a coded value
  preliminary boolean not null,
  encounter text not null,                -- 'Encounter/1', or ''
  primary key (patient, vital, at, observation)
);
create index on score_reading (observation);

-- Stretches of a patient's time whose scores are to be computed again; written together with the readings that call for it,
-- deleted together with the scores.
create table score_due (
  id bigint generated always as identity primary key,
  patient text collate "C" not null,
  from_at bigint not null,
  to_at bigint not null,
  -- Scores in it may have lost what led to them.
  doubtful boolean not null
);
-- The order in which they are computed: instants, then stretches. With 200,000 of a history taken in, looking at each took 68 ms.
create index on score_due ((to_at > from_at or doubtful), id);
