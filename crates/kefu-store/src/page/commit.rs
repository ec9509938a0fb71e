//! Stores a page of the stream and moves the cursor: together, or in pieces where one transaction would take too long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kefu_domain::{ConversationKey, Millis};

use super::plan::{Plan, key};
use super::write::Writer;
use super::{EventEffect, Late, Page, PageContent, PageMessage, PageOutcome};
use crate::sql::{Session, values};
use crate::store::transact;
use crate::text::clean_option;
use crate::{AccountLease, Store, StoreError};

/// Reports of failed sends in one transaction: each takes four statements, which no batch can hold.
const REPORTS_MAX: usize = 8;

/// How long one transaction stores message by message, well within the time of a method.
const ONE_BY_ONE_MAX: Duration = Duration::from_secs(4);

impl Store {
    /// Stores a page and moves the cursor, in one transaction: the cursor first, null-safe and under the
    /// fence, which serialises two pullers and fails cheaply.
    ///
    /// What would take a distant database too long is stored in several transactions, and only the last one moves the
    /// cursor: whoever dies in between pulls the page again and finds the first messages stored.
    ///
    /// No message can hold the cursor: when the database refuses the page for what is in it, it is stored
    /// message by message, and what is still refused is kept raw as unreadable. Any other error stores nothing and
    /// leaves the cursor: the page can be pulled again once the cause is gone.
    pub async fn commit_page(&self, lease: &AccountLease, page: &Page) -> Result<PageOutcome, StoreError> {
        let mut stored = Stored::default();
        let mut left = page.messages.as_slice();
        loop {
            let committed = match self.commit_together(lease, page, left).await {
                Err(error) if error.is_data() => {
                    tracing::warn!(
                        account.id = %lease.account,
                        error = &error as &dyn std::error::Error,
                        "a page is stored message by message: {error}"
                    );
                    self.commit_one_by_one(lease, page, left).await?
                }
                result => result?,
            };
            match committed {
                Committed::Some(count, some) => {
                    stored.add(some);
                    left = &left[count..];
                }
                Committed::Not(outcome) => return Ok(outcome),
            }
            if left.is_empty() {
                return Ok(stored.outcome());
            }
        }
    }

    /// The first of these messages, as many as one transaction may take.
    async fn commit_together(
        &self,
        lease: &AccountLease,
        page: &Page,
        left: &[PageMessage],
    ) -> Result<Committed, StoreError> {
        let count = together(left).min(self.pace.messages());
        let began_at = Instant::now();
        let committed = transact!(self, session => {
            let moved = match count == left.len() {
                true => move_cursor(session, lease, page).await?,
                false => hold_cursor(session, lease, page).await?,
            };
            let now = match moved {
                Moved::At(now) => now,
                Moved::Not(outcome) => return Ok(Committed::Not(outcome)),
            };
            let mut stored = Stored::default();
            store(session, lease, page, &left[..count], now, &mut stored).await?;
            Ok(Committed::Some(count, stored))
        });
        self.pace.learn(count, began_at.elapsed(), &committed);
        committed
    }

    async fn commit_one_by_one(
        &self,
        lease: &AccountLease,
        page: &Page,
        left: &[PageMessage],
    ) -> Result<Committed, StoreError> {
        transact!(self, session => {
            let now = match hold_cursor(session, lease, page).await? {
                Moved::At(now) => now,
                Moved::Not(outcome) => return Ok(Committed::Not(outcome)),
            };
            let began_at = Instant::now();
            let mut stored = Stored::default();
            let mut count = 0;
            for message in left {
                if 0 < count && ONE_BY_ONE_MAX < began_at.elapsed() {
                    return Ok(Committed::Some(count, stored));
                }
                store_one(session, lease, page, message, now, &mut stored).await?;
                count += 1;
            }
            match move_cursor(session, lease, page).await? {
                Moved::At(_) => Ok(Committed::Some(count, stored)),
                Moved::Not(outcome) => Ok(Committed::Not(outcome)),
            }
        })
    }
}

/// How a part of a page was taken.
enum Committed {
    /// So many messages, and what they came to.
    Some(usize, Stored),
    Not(PageOutcome),
}

/// How many of these messages one transaction takes.
fn together(messages: &[PageMessage]) -> usize {
    let is_report = |message: &PageMessage| {
        let PageContent::Event { effect, .. } = &message.content else {
            return false;
        };
        matches!(effect, EventEffect::SendFailed { .. })
    };
    let reports = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| is_report(message));
    reports
        .map(|(at, _)| at)
        .nth(REPORTS_MAX)
        .unwrap_or(messages.len())
}

/// Stores one message under a savepoint; what is refused even so is kept raw.
async fn store_one(
    session: &mut Session,
    lease: &AccountLease,
    page: &Page,
    message: &PageMessage,
    now: i64,
    stored: &mut Stored,
) -> Result<(), StoreError> {
    session.command("SAVEPOINT one").await?;
    let mut one = Stored::default();
    let only = std::slice::from_ref(message);
    match store(session, lease, page, only, now, &mut one).await {
        Ok(()) => stored.add(one),
        Err(error) if error.is_data() => {
            session.command("ROLLBACK TO SAVEPOINT one").await?;
            let refused = [(message, "the database refused it".to_owned())];
            stored.unreadable += Writer { session, lease, now }.unreadable(&refused).await?;
        }
        Err(error) => return Err(error),
    }
    session.command("RELEASE SAVEPOINT one").await
}

enum Moved {
    /// At this time of the database's clock.
    At(i64),
    Not(PageOutcome),
}

/// Locks the row and extends the lease; the cursor stays where the page begins.
async fn hold_cursor(session: &mut Session, lease: &AccountLease, page: &Page) -> Result<Moved, StoreError> {
    const HOLD: &str = "
        UPDATE account SET lease_until = now_ms + $5, wake_at = now_ms + $5
        FROM clock
        WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4
            AND cursor IS NOT DISTINCT FROM $6
        RETURNING (SELECT now_ms FROM clock) AS now_ms";
    let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
    let before = clean_option(page.cursor_before.as_deref());
    let values = values![
        corp,
        account,
        lease.fence,
        &lease.job_id,
        page.lease,
        before.as_deref()
    ];
    match session.fetch_optional::<(i64,)>(HOLD, values).await? {
        Some((now,)) => Ok(Moved::At(now)),
        None => cursor_of_others(session, lease).await,
    }
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
    match session.fetch_optional::<(i64,)>(MOVE, values).await? {
        Some((now,)) => Ok(Moved::At(now)),
        None => cursor_of_others(session, lease).await,
    }
}

/// Why the cursor is not where the page begins.
async fn cursor_of_others(session: &mut Session, lease: &AccountLease) -> Result<Moved, StoreError> {
    const LOOK: &str = "
        SELECT cursor FROM account
        WHERE corp = $1 AND account = $2 AND fence = $3 AND lease_owner = $4";
    let (corp, account) = (lease.corp.as_str(), lease.account.as_str());
    let values = values![corp, account, lease.fence, &lease.job_id];
    let row: Option<(Option<String>,)> = session.fetch_optional(LOOK, values).await?;
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
    let dropped = writer.drop_replies(&plan).await?;
    writer.failures(&plan).await?;
    writer.sessions(&plan).await?;
    writer.welcomes(&plan.welcomes).await?;
    stored.unreadable += writer.unreadable(&plan.unreadable).await?;
    stored.stored += plan.rows.len() as u64;
    stored.repeated += plan.repeated;
    stored.late.add(plan.late(Millis(now)));
    stored.owed.extend(plan.owed(lease));
    stored
        .owed
        .extend(dropped.iter().map(|customer| key(lease, customer)));
    stored.welcomes.extend(plan.pending_welcomes());
    Ok(())
}
