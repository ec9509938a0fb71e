-- Failed runs in a row that were our own fault: only these may end a conversation's messages without an answer.
ALTER TABLE conversation ADD COLUMN own_failures BIGINT NOT NULL DEFAULT 0;

-- When the account was last woken because nothing had woken it for a while.
ALTER TABLE account ADD COLUMN polled_at BIGINT;
