-- Alerts: what rules have found, and what they must remember to find it. https://hl7.org/fhir/R4/plandefinition.html

-- One row an alert: a rule's finding of one subject under one key, from when it is raised until it is over. The next one of
-- the same three is the next episode. Flag.id is `id`.
create table alert (
  id text collate "C" primary key,
  rule text collate "C" not null,        -- PlanDefinition.id
  subject text collate "C" not null,     -- Patient/1; '' for nobody
  key text collate "C" not null,
  episode integer not null,              -- 1, 2, 3 … of (rule, subject, key)
  status text not null,                  -- active | acknowledged | suppressed | resolved
  severity text not null,                -- info | low | moderate | high | critical
  title text not null,
  detail text not null,
  code jsonb,                            -- {"system", "code", "display"}
  encounter text,
  evidence text[] not null,              -- Observation/1
  escalation text,
  at timestamptz not null,               -- clinical time of what led to it
  raised_at timestamptz not null,        -- instant of the change that did
  ended_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  note text,
  tells integer not null default 0,      -- Communications so far
  notify_at timestamptz,                 -- silent until then: quiet hours, or snoozed
  causes text[] not null default '{}',   -- rules whose alerts led to it
  group_id text,                         -- the alert that stands for a storm of its like
  change_xid bigint,                     -- the latest change that had any effect on it
  change_seq bigint,
  revision integer not null default 1,
  unique (rule, subject, key, episode)
);
create index on alert (raised_at, id);
create index on alert (subject, raised_at);
create index on alert (rule, raised_at);
create index on alert (rule, id) where status <> 'resolved';
create index on alert (rule) where key = 'storm' and status <> 'resolved';
create index on alert (notify_at) where notify_at is not null;
create index on alert (group_id) where group_id is not null and status <> 'resolved';

-- What a rule over time remembers of a subject: values of a window, conditions that held.
create table alert_fact (
  rule text collate "C" not null,
  subject text collate "C" not null,
  series text collate "C" not null,
  resource text collate "C" not null,    -- Observation/1
  at timestamptz not null,
  value double precision not null,
  primary key (rule, subject, series, resource)
);
create index on alert_fact (rule, subject, at);

-- Whose next reading is awaited, by rules that find its absence.
create table alert_watch (
  rule text collate "C" not null,
  subject text collate "C" not null,
  seen_at timestamptz not null,          -- time of the last reading
  due_at timestamptz,                    -- null once it was missed: until the next reading nothing more is told
  resource text collate "C" not null,    -- the last reading, Observation/1
  version integer not null,
  primary key (rule, subject)
);
create index on alert_watch (due_at) where due_at is not null;

-- The one rule that there was before is part of the built-in rule critical-laboratory-values.
delete from delivery where subscriber = 'alert:critical-potassium' and outcome is null;
update subscriber set state = 'deleted', due_at = null, done_number = last_number where id = 'alert:critical-potassium';

-- A delivery that an operator has repeated: it comes after newer ones.
alter table delivery add column again boolean not null default false;
create index on delivery (subscriber, number) where again;
