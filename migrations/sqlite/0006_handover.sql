-- A hand-over that is decided and not yet made: what the messages which ask for it carry as `reply_id`. Null: none.
ALTER TABLE conversation ADD COLUMN handover TEXT;

CREATE INDEX conversation_handover ON conversation (handover) WHERE handover IS NOT NULL;

-- Its customer asked for a person whom WeCom did not give: it is answered without asking again.
ALTER TABLE message ADD COLUMN person_refused BOOLEAN NOT NULL DEFAULT FALSE;

-- A text for a customer who waits in the pool, said on the code that WeCom gave for the move, once.
-- pending -> sending -> sent | late | failed | unknown; pending -> over | late.
CREATE TABLE notice (
    -- The msgid it is sent under.
    id TEXT PRIMARY KEY,
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    customer TEXT NOT NULL,
    -- handover: a person comes, where no message was left to say so; waiting: nobody has come for long.
    purpose TEXT NOT NULL,
    -- Good once, for 48 h, while the session is in the pool.
    code TEXT NOT NULL,
    code_at BIGINT NOT NULL,
    text TEXT NOT NULL,
    status TEXT NOT NULL,
    -- When the sweeper publishes its job; moved on until it is taken.
    wake_at BIGINT,
    taken_at BIGINT,
    settled_at BIGINT,
    error_code BIGINT,
    error TEXT
);

CREATE INDEX notice_due ON notice (wake_at) WHERE status = 'pending';
CREATE INDEX notice_taken ON notice (taken_at) WHERE status = 'sending';
CREATE INDEX notice_conversation ON notice (customer, account, corp) WHERE status = 'pending';
