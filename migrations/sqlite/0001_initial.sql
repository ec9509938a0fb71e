-- Times are Unix milliseconds, ids are text as WeCom gave them, raw bytes are kept as they came.
-- Words in `handled`, `status`, `origin`, `purpose` and `cancel_reason` are those of kefu-domain.

-- Keys and indexes begin with what tells rows apart (customer, msgid), not with corp and account: until the first
-- ANALYZE a planner cannot know that these say next to nothing, and would read a whole account through them.

-- The one clock that judges leases: the database's. A view, so that both engines read it alike.
CREATE VIEW clock AS
SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS now_ms;

CREATE TABLE account (
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    -- The app whose credentials pull it. Conversations take it from here: apps can be renamed.
    app TEXT NOT NULL,
    name TEXT,
    -- How far the stream is stored. Opaque: compared for equality only.
    cursor TEXT,
    -- Raised whenever the lease changes hands; a write with an older number hits no row.
    fence BIGINT NOT NULL DEFAULT 0,
    -- The job that holds the row, until lease_until. Both null when free.
    lease_owner TEXT,
    lease_until BIGINT,
    -- Raised by every wake-up that found the row held; a release with an older number is refused.
    wanted BIGINT NOT NULL DEFAULT 0,
    -- Newest callback token and when it came.
    token TEXT,
    token_at BIGINT,
    -- True until a pull has reached the end of the stream once.
    first_pull BOOLEAN NOT NULL DEFAULT TRUE,
    -- When a job first asked for it: the first run answers what is newer than a little before this.
    first_woken_at BIGINT,
    -- Old pages are being read; turns wait.
    catching_up BOOLEAN NOT NULL DEFAULT FALSE,
    pulled_at BIGINT,
    -- When the sweeper must publish its job; null when nothing is owed.
    wake_at BIGINT,
    -- How far the sweeper moves wake_at on; doubles until a worker takes the row.
    wake_backoff BIGINT NOT NULL DEFAULT 60000,
    -- Runs that failed one after another. The errors are those of the first and the last of them.
    failures BIGINT NOT NULL DEFAULT 0,
    first_error TEXT,
    first_error_at BIGINT,
    last_error TEXT,
    last_error_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (corp, account)
);

CREATE INDEX account_due ON account (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE conversation (
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    customer TEXT NOT NULL,
    -- WeCom's session state 0 to 4 and the time of its source; older news loses.
    session BIGINT,
    session_at BIGINT,
    -- When the customer last wrote, and the parts that left since then (five in 48 hours).
    customer_wrote_at BIGINT,
    budget_used BIGINT NOT NULL DEFAULT 0,
    -- Lease, wake-up and failures as in account; `wanted` is raised by every page with a new owed message.
    fence BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until BIGINT,
    wanted BIGINT NOT NULL DEFAULT 0,
    wake_at BIGINT,
    wake_backoff BIGINT NOT NULL DEFAULT 60000,
    failures BIGINT NOT NULL DEFAULT 0,
    first_error TEXT,
    first_error_at BIGINT,
    last_error TEXT,
    last_error_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (customer, account, corp),
    FOREIGN KEY (corp, account) REFERENCES account (corp, account)
);

CREATE INDEX conversation_due ON conversation (wake_at) WHERE wake_at IS NOT NULL;

-- Everything an account's stream said, once.
CREATE TABLE message (
    -- Order of storing; breaks ties between times, which have seconds.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    msgid TEXT NOT NULL,
    -- Null for events without a customer.
    customer TEXT,
    origin TEXT NOT NULL,
    msgtype TEXT NOT NULL,
    event_type TEXT,
    text TEXT,
    menu_id TEXT,
    media_id TEXT,
    servicer TEXT,
    raw BLOB NOT NULL,
    sent_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    -- Null: owed. Only customer messages are ever owed.
    handled TEXT,
    handled_at BIGINT,
    -- The reply that answers it.
    reply_id TEXT,
    recalled BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT message_key UNIQUE (msgid, account, corp)
);

CREATE INDEX message_owed ON message (customer, account, corp, sent_at, seq) WHERE handled IS NULL;
CREATE INDEX message_history ON message (customer, account, corp, received_at, seq);
CREATE INDEX message_reply ON message (reply_id, account, corp) WHERE reply_id IS NOT NULL;

-- One row an outgoing message, written before it is sent.
-- planned -> sending -> sent | unknown -> failed; cancelled only from planned.
CREATE TABLE outbox (
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    customer TEXT NOT NULL,
    -- The msgid it is sent under, on every try.
    msgid TEXT NOT NULL,
    -- The msgid of part 1 as first decided: what the parts of a reply share.
    reply_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    -- msgid of the last customer message answered.
    answers TEXT NOT NULL,
    -- Raised after a definite refusal.
    generation BIGINT NOT NULL,
    part BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    text TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    -- An earlier call ended without a clear answer, or its process died while sending.
    ambiguous BOOLEAN NOT NULL DEFAULT FALSE,
    cancel_reason TEXT,
    planned_at BIGINT NOT NULL,
    sending_at BIGINT,
    settled_at BIGINT,
    error_code BIGINT,
    error TEXT,
    CONSTRAINT outbox_key PRIMARY KEY (msgid, account, corp)
);

CREATE INDEX outbox_open ON outbox (customer, account, corp, planned_at, reply_id, part)
WHERE status IN ('planned', 'sending');
CREATE INDEX outbox_reply ON outbox (reply_id, account, corp);
CREATE INDEX outbox_history ON outbox (customer, account, corp, planned_at, part);
CREATE INDEX outbox_unknown ON outbox (settled_at) WHERE status = 'unknown';

-- A customer opened the chat and may be welcomed within 20 s, once.
-- pending -> sending -> sent | late | failed | unknown; pending -> late.
CREATE TABLE welcome (
    -- The msgid it is sent under.
    id TEXT PRIMARY KEY,
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    customer TEXT NOT NULL,
    code TEXT NOT NULL,
    scene TEXT,
    event_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- When the sweeper publishes its job again; null after the one time it may.
    wake_at BIGINT,
    created_at BIGINT NOT NULL,
    taken_at BIGINT,
    settled_at BIGINT,
    text TEXT,
    error_code BIGINT,
    error TEXT
);

CREATE INDEX welcome_open ON welcome (status, event_at) WHERE status IN ('pending', 'sending');

-- Callbacks that are no wake-up of a kf account.
CREATE TABLE app_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    corp TEXT NOT NULL,
    -- SHA-1 of raw, in hex.
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_user TEXT,
    created_at BIGINT,
    received_at BIGINT NOT NULL,
    stored_at BIGINT NOT NULL,
    raw BLOB NOT NULL,
    trace TEXT,
    -- Two apps may get the same bytes: both are kept.
    UNIQUE (app, hash)
);

-- Messages of a page that could not be read or stored. They never hold the cursor.
CREATE TABLE unreadable (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    corp TEXT NOT NULL,
    account TEXT NOT NULL,
    -- SHA-1 of raw, in hex: the same bytes are kept once.
    hash TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    raw BLOB NOT NULL,
    UNIQUE (hash, account, corp)
);

-- Jobs that ended for good without success.
CREATE TABLE dead_letter (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    -- How often it was replayed before: a second death is a second letter.
    replay BIGINT NOT NULL,
    kind TEXT,
    app TEXT,
    lane TEXT,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    first_error TEXT,
    last_error TEXT,
    error_at BIGINT,
    archived_at BIGINT NOT NULL,
    trace TEXT,
    raw BLOB NOT NULL,
    UNIQUE (job_id, replay)
);
