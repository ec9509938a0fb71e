-- When its first error was; `error_at` is the time of the last one.
ALTER TABLE dead_letter ADD COLUMN first_error_at BIGINT;
-- open -> replaying -> replayed; open -> discarded. A letter that cannot be read goes back from replaying to open.
ALTER TABLE dead_letter ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
ALTER TABLE dead_letter ADD COLUMN state_at BIGINT;
-- When a worker publishes its job (again); only while replaying.
ALTER TABLE dead_letter ADD COLUMN publish_at BIGINT;

CREATE INDEX dead_letter_open ON dead_letter (seq) WHERE state = 'open';
CREATE INDEX dead_letter_replaying ON dead_letter (publish_at) WHERE state = 'replaying';
CREATE INDEX outbox_failed ON outbox (settled_at) WHERE status = 'failed';
