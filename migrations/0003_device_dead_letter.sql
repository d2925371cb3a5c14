-- Device messages that could not become Observations, whole or in part. One row a distinct message: a device that sends
-- the same broken message again raises `seen`, so the table grows with the number of different faults, not with time.
CREATE TABLE device_dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- SHA-256 of topic, NUL, payload.
  fingerprint bytea NOT NULL UNIQUE,
  topic text NOT NULL,
  -- The bytes as they came.
  payload bytea NOT NULL,
  -- Code of the first fault; the codes are listed in docs/devices.md.
  reason text NOT NULL,
  -- The first fault in words.
  diagnostics text NOT NULL,
  -- JSON array of {reading, reason, diagnostics}, the first hundred. Text: jsonb refuses an escaped NUL.
  faults text NOT NULL,
  fault_count int NOT NULL,
  seen int NOT NULL DEFAULT 1,
  first_received_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL
);
CREATE INDEX device_dead_letter_reason ON device_dead_letter (reason, id);
