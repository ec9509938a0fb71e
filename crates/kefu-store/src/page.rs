mod late;
mod plan;
mod write;

use std::collections::BTreeSet;
use std::time::Duration;

use kefu_domain::{ConversationKey, CustomerId, Handled, MessageId, Millis, SessionState};
use secrecy::SecretString;

use crate::sql::{Session, values};
use crate::store::transact;
use crate::text::clean_option;
use crate::{AccountLease, Store, StoreError};
pub use late::Late;
use plan::Plan;
use write::Writer;

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
        /// Conversations with a newly stored unhandled customer message, sorted.
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

impl Store {
    /// Stores a page and moves the cursor, in one transaction: the cursor first, null-safe and under the
    /// fence, which serialises two pullers and fails cheaply.
    ///
    /// No message can hold the cursor: when the database refuses the page for what is in it, it is stored
    /// message by message, and what is still refused is kept raw as unreadable. Any other error stores nothing and
    /// leaves the cursor: the page can be pulled again once the cause is gone.
    pub async fn commit_page(&self, lease: &AccountLease, page: &Page) -> Result<PageOutcome, StoreError> {
        let together = transact!(self, session => {
            let now = match move_cursor(session, lease, page).await? {
                Moved::At(now) => now,
                Moved::Not(outcome) => return Ok(outcome),
            };
            let mut stored = Stored::default();
            store(session, lease, page, &page.messages, now, &mut stored).await?;
            Ok(stored.outcome())
        });
        match together {
            Err(error) if error.is_data() => {
                tracing::warn!(
                    account.id = %lease.account,
                    error = &error as &dyn std::error::Error,
                    "a page is stored message by message: {error}"
                );
                self.commit_page_one_by_one(lease, page).await
            }
            result => result,
        }
    }

    async fn commit_page_one_by_one(
        &self,
        lease: &AccountLease,
        page: &Page,
    ) -> Result<PageOutcome, StoreError> {
        transact!(self, session => {
            let now = match move_cursor(session, lease, page).await? {
                Moved::At(now) => now,
                Moved::Not(outcome) => return Ok(outcome),
            };
            let mut stored = Stored::default();
            for message in &page.messages {
                session.command("SAVEPOINT one").await?;
                let mut one = Stored::default();
                let only = std::slice::from_ref(message);
                match store(session, lease, page, only, now, &mut one).await {
                    Ok(()) => stored.add(one),
                    Err(error) if error.is_data() => {
                        session.command("ROLLBACK TO SAVEPOINT one").await?;
                        stored.unreadable += Writer { session, lease, now }
                            .unreadable(message, "the database refused it")
                            .await?;
                    }
                    Err(error) => return Err(error),
                }
                session.command("RELEASE SAVEPOINT one").await?;
            }
            Ok(stored.outcome())
        })
    }
}

enum Moved {
    /// At this time of the database's clock.
    At(i64),
    Not(PageOutcome),
}

async fn move_cursor(session: &mut Session, lease: &AccountLease, page: &Page) -> Result<Moved, StoreError> {
    const MOVE: &str = "
        UPDATE account SET
            cursor = $5, pulled_at = now_ms,
            failures = CASE WHEN $7 AND cursor IS NOT DISTINCT FROM $5 THEN failures ELSE 0 END,
            lease_until = now_ms + $6, wake_at = now_ms + $6,
            catching_up = $7 AND cursor IS DISTINCT FROM $5 AND (first_pull OR $8 < now_ms - 600000),
            first_pull = first_pull AND $7
        FROM clock
        WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4
            AND cursor IS NOT DISTINCT FROM $9
        RETURNING (SELECT now_ms FROM clock) AS now_ms";
    const LOOK: &str = "
        SELECT cursor FROM account
        WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4";
    let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
    let oldest = page
        .messages
        .iter()
        .filter(|message| matches!(message.content, PageContent::Customer { .. }))
        .map(|message| message.sent_at.0)
        .min()
        .unwrap_or(i64::MAX);
    let [before, after] =
        [&page.cursor_before, &page.cursor_after].map(|cursor| clean_option(cursor.as_deref()));
    let values = values![
        corp,
        account,
        lease.fence,
        &lease.job_id,
        after.as_deref(),
        page.lease,
        page.has_more,
        oldest,
        before.as_deref()
    ];
    if let Some((now,)) = session.fetch_optional::<(i64,)>(MOVE, values).await? {
        return Ok(Moved::At(now));
    }
    let row: Option<(Option<String>,)> = session.fetch_optional(LOOK, &values[..4]).await?;
    Ok(Moved::Not(match row {
        Some((cursor,)) => PageOutcome::CursorMoved { cursor },
        None => PageOutcome::LeaseLost,
    }))
}

/// What the messages of a page came to.
#[derive(Default)]
struct Stored {
    owed: BTreeSet<ConversationKey>,
    welcomes: Vec<String>,
    stored: u64,
    repeated: u64,
    unreadable: u64,
    late: Late,
}

impl Stored {
    fn add(&mut self, other: Stored) {
        self.owed.extend(other.owed);
        self.welcomes.extend(other.welcomes);
        self.stored += other.stored;
        self.repeated += other.repeated;
        self.unreadable += other.unreadable;
        self.late.add(other.late);
    }

    fn outcome(self) -> PageOutcome {
        PageOutcome::Committed {
            owed: self.owed.into_iter().collect(),
            welcomes: self.welcomes,
            stored: self.stored,
            repeated: self.repeated,
            unreadable: self.unreadable,
            late: self.late,
        }
    }
}

/// Stores messages under the account's row lock, which every writer of its messages takes first: what is known
/// now is all there is. Conversations are locked in one sorted statement, then messages, then replies.
async fn store(
    session: &mut Session,
    lease: &AccountLease,
    page: &Page,
    messages: &[PageMessage],
    now: i64,
    stored: &mut Stored,
) -> Result<(), StoreError> {
    let mut writer = Writer { session, lease, now };
    let known = writer.known(messages).await?;
    let mut plan = Plan::new(lease, page, messages, &known);
    let touched = writer.touched(&plan).await?;
    plan.touch(touched);
    writer.conversations(&plan).await?;
    writer.messages(&plan.rows).await?;
    writer.takeovers(&plan).await?;
    writer.recalls(&plan).await?;
    writer.failures(&plan).await?;
    writer.sessions(&plan).await?;
    writer.welcomes(&plan.welcomes).await?;
    for (message, error) in &plan.unreadable {
        stored.unreadable += writer.unreadable(message, error).await?;
    }
    stored.stored += plan.rows.len() as u64;
    stored.repeated += plan.repeated;
    stored.late.add(plan.late(Millis(now)));
    stored.owed.extend(plan.owed(lease));
    stored.welcomes.extend(plan.pending_welcomes());
    Ok(())
}
