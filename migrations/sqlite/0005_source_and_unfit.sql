-- Where the words of a part come from: rule, model, fallback, handover and so on; null before this version.
ALTER TABLE outbox ADD COLUMN source TEXT;

-- A model server refused a question for this message: it is shown to no model again.
ALTER TABLE message ADD COLUMN unfit BOOLEAN NOT NULL DEFAULT FALSE;
