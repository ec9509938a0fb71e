mod commit;
mod dropped;
mod late;
mod pace;
mod plan;
mod write;

use std::time::Duration;

use kefu_domain::{ConversationKey, CustomerId, Handled, MessageId, Millis, SessionState};
use secrecy::SecretString;

pub use late::Late;
pub(crate) use pace::Pace;

/// One page of an account's stream, translated.
#[derive(Clone, Debug)]
pub struct Page {
    pub cursor_before: Option<String>,
    /// May be what it was before: then the messages are stored, and with `has_more` it counts as no progress.
    pub cursor_after: Option<String>,
    pub has_more: bool,
    /// The lease is extended by this from now.
    pub lease: Duration,
    pub messages: Vec<PageMessage>,
    /// Customer messages sent before this are history. Only given on a first pull.
    pub history_before: Option<Millis>,
    /// `enter_session` events sent before this are late: their code is dead.
    pub welcome_after: Millis,
}

#[derive(Clone, Debug)]
pub struct PageMessage {
    /// The bytes as they came.
    pub raw: Vec<u8>,
    pub content: PageContent,
    pub sent_at: Millis,
    /// `None` makes it unreadable, whatever its content.
    pub id: Option<MessageId>,
}

#[derive(Clone, Debug)]
pub enum PageContent {
    Customer {
        customer: CustomerId,
        msgtype: String,
        text: Option<String>,
        menu_id: Option<String>,
        media_id: Option<String>,
        /// `None`: owed.
        handled: Option<Handled>,
    },
    /// Marks earlier unhandled customer messages of the conversation as handled by a person.
    Servicer {
        customer: CustomerId,
        servicer: String,
        msgtype: String,
        text: Option<String>,
    },
    Event {
        event_type: String,
        effect: EventEffect,
    },
    /// The error names the kind of fault, never the content.
    Unreadable {
        error: String,
    },
}

/// What an event of the stream changes, once.
#[derive(Clone, Debug)]
pub enum EventEffect {
    None,
    EnterSession {
        customer: CustomerId,
        welcome_code: Option<SecretString>,
        scene: Option<String>,
    },
    /// `msg_send_fail`: the part and the messages it answered have failed.
    SendFailed {
        msgid: String,
        fail_type: i64,
    },
    Session {
        customer: CustomerId,
        state: SessionState,
    },
    Recall {
        customer: Option<CustomerId>,
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOutcome {
    Committed {
        /// Conversations with something to do: an unhandled message that is new, or owed again. Sorted.
        owed: Vec<ConversationKey>,
        /// Ids of welcomes to be said now.
        welcomes: Vec<String>,
        stored: u64,
        /// Messages that were stored before.
        repeated: u64,
        unreadable: u64,
        /// Among the stored ones.
        late: Late,
    },
    /// Somebody else moved the cursor: read on from there. Nothing was stored.
    CursorMoved { cursor: Option<String> },
    /// Nothing was stored.
    LeaseLost,
}
