use std::time::Duration;

use kefu_domain::{Budget, ConversationKey, Handled, Millis, SessionState};
use sqlx::FromRow;

use crate::sql::{Session, small, values};
use crate::store::transact;
use crate::text::error_text;
use crate::turn::Head;
use crate::{NewDeadLetter, Released, Store, StoreError, Turn, TurnLimits};

#[derive(Debug)]
pub enum AcquiredConversation {
    /// No such conversation.
    Missing,
    /// Another job holds it; whatever is owed is on the row.
    Held,
    /// Its account is reading old pages; due again in 30 s.
    CatchingUp,
    Won(Box<Turn>),
}

/// Whose fault a failed run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Ours,
    /// WeCom's or the model's.
    Theirs,
}

/// The right to speak in a conversation, until somebody else takes the next fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationLease {
    pub key: ConversationKey,
    pub app: String,
    pub job_id: String,
    pub fence: i64,
}

/// Takes the lease if it is free, run out, or this job's own and given out again, and its account is not
/// reading old pages (for at most 10 minutes after the last of them).
const TAKE: &str = "
    UPDATE conversation SET
        fence = fence + 1, lease_owner = $4, lease_until = now_ms + $6,
        wake_at = now_ms + $6, wake_backoff = 60000
    FROM clock
    WHERE corp = $1 AND account = $2 AND customer = $3
        AND (lease_until IS NULL OR lease_until <= now_ms OR (lease_owner = $4 AND $5))
        AND NOT EXISTS (
            SELECT 1 FROM account
            WHERE account.corp = $1 AND account.account = $2
                AND account.catching_up AND account.pulled_at > now_ms - 600000)
    RETURNING fence, wanted, failures, own_failures, session, customer_wrote_at, budget_used, handover,
        (SELECT app FROM account WHERE account.corp = $1 AND account.account = $2) AS app,
        (SELECT now_ms FROM clock) AS now_ms";

/// Extends the lease and locks the row.
const RENEW: &str = "
    UPDATE conversation SET lease_until = now_ms + $6, wake_at = now_ms + $6
    FROM clock
    WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
    RETURNING fence, wanted, failures, own_failures, session, customer_wrote_at, budget_used, handover,
        (SELECT app FROM account WHERE account.corp = $1 AND account.account = $2) AS app,
        (SELECT now_ms FROM clock) AS now_ms";

/// Locks the row for its holder: first statement of everything that touches messages or parts.
const HOLD: &str = "
    UPDATE conversation SET lease_until = lease_until
    WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
    RETURNING (SELECT now_ms FROM clock) AS now_ms";

impl Store {
    /// Takes the conversation's lease and reads its turn, in one transaction.
    pub async fn acquire_conversation(
        &self,
        key: &ConversationKey,
        job_id: &str,
        redelivered: bool,
        lease: Duration,
        limits: TurnLimits,
    ) -> Result<AcquiredConversation, StoreError> {
        let (corp, account, customer) = parts_of(key);
        transact!(self, session => {
            let values = values![corp, account, customer, job_id, redelivered, lease];
            let Some(row) = session.fetch_optional::<HeadRow>(TAKE, values).await? else {
                return not_taken(session, key, job_id, redelivered).await;
            };
            let head = row.head(key, job_id)?;
            let turn = Turn::load(session, head, limits).await?;
            Ok(AcquiredConversation::Won(Box::new(turn)))
        })
    }

    /// Extends the lease and reads the turn again. `None`: the lease is lost.
    pub async fn reload_turn(
        &self,
        lease: &ConversationLease,
        by: Duration,
        limits: TurnLimits,
    ) -> Result<Option<Turn>, StoreError> {
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let values = values![corp, account, customer, lease.fence, &lease.job_id, by];
            let Some(row) = session.fetch_optional::<HeadRow>(RENEW, values).await? else {
                return Ok(None);
            };
            let head = row.head(&lease.key, &lease.job_id)?;
            Turn::load(session, head, limits).await.map(Some)
        })
    }

    /// False when the lease is lost.
    pub async fn extend_conversation(
        &self,
        lease: &ConversationLease,
        by: Duration,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE conversation SET lease_until = now_ms + $6, wake_at = now_ms + $6
            FROM clock
            WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5";
        let (corp, account, customer) = parts_of(&lease.key);
        let values = values![corp, account, customer, lease.fence, &lease.job_id, by];
        Ok(self.execute(SQL, values).await? == 1)
    }

    /// Notes a session state. News older than what is known loses.
    pub async fn set_session(
        &self,
        key: &ConversationKey,
        state: SessionState,
        source_at: Millis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE conversation SET session = $4, session_at = $5
            WHERE corp = $1 AND account = $2 AND customer = $3
                AND (session_at IS NULL OR session_at <= $5)";
        let (corp, account, customer) = parts_of(key);
        self.execute(SQL, values![corp, account, customer, state.code(), source_at])
            .await?;
        Ok(())
    }

    /// Gives the lease back, only while nothing is owed, no part is on its way and `wanted` is what it was.
    ///
    /// `wanted` decides: under READ COMMITTED the look at the messages is taken before the row's lock and
    /// misses a page committed meanwhile. It stays as a second bar for a turn that did not read to the end.
    /// Planned parts do not count: what the budget defers waits for the customer's next message.
    pub async fn release_conversation(
        &self,
        lease: &ConversationLease,
        noted_wanted: i64,
    ) -> Result<Released<()>, StoreError> {
        const RELEASE: &str = "
            UPDATE conversation SET
                lease_owner = NULL, lease_until = NULL, wake_at = NULL, failures = 0, own_failures = 0
            WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
                AND wanted = $6 AND handover IS NULL
                AND NOT EXISTS (
                    SELECT 1 FROM message
                    WHERE message.corp = $1 AND message.account = $2 AND message.customer = $3
                        AND message.handled IS NULL)
                AND NOT EXISTS (
                    SELECT 1 FROM outbox
                    WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.customer = $3
                        AND outbox.status = 'sending')";
        const LOOK: &str = "
            SELECT fence FROM conversation
            WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5";
        let (corp, account, customer) = parts_of(&lease.key);
        let values = values![corp, account, customer, lease.fence, &lease.job_id, noted_wanted];
        if self.execute(RELEASE, values).await? == 1 {
            return Ok(Released::Free);
        }
        Ok(match self.fetch_optional::<(i64,)>(LOOK, &values[..5]).await? {
            Some(_) => Released::Again(()),
            None => Released::Lost,
        })
    }

    /// Gives the lease up after a failure. The failures so far, 0 when the lease is lost.
    pub async fn fail_conversation(
        &self,
        lease: &ConversationLease,
        wake_in: Duration,
        whose: Whose,
        error: &str,
    ) -> Result<u32, StoreError> {
        const SQL: &str = "
            UPDATE conversation SET
                lease_owner = NULL, lease_until = NULL, wake_at = now_ms + $6,
                failures = failures + 1, own_failures = own_failures + $8,
                first_error = CASE WHEN failures = 0 THEN $7 ELSE first_error END,
                first_error_at = CASE WHEN failures = 0 THEN now_ms ELSE first_error_at END,
                last_error = $7, last_error_at = now_ms
            FROM clock
            WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5
            RETURNING failures";
        let (corp, account, customer) = parts_of(&lease.key);
        let error = error_text(error);
        let values = values![
            corp,
            account,
            customer,
            lease.fence,
            &lease.job_id,
            wake_in,
            &*error,
            i64::from(whose == Whose::Ours)
        ];
        let row: Option<(i64,)> = self.fetch_optional(SQL, values).await?;
        Ok(row.map_or(0, |(failures,)| small(failures)))
    }

    /// Gives the lease up for a while, without a failure. False when the lease is lost.
    pub async fn park_conversation(
        &self,
        lease: &ConversationLease,
        wake_in: Duration,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE conversation SET lease_owner = NULL, lease_until = NULL, wake_at = now_ms + $6
            FROM clock
            WHERE corp = $1 AND account = $2 AND customer = $3 AND fence = $4 AND lease_owner = $5";
        let (corp, account, customer) = parts_of(&lease.key);
        let values = values![corp, account, customer, lease.fence, &lease.job_id, wake_in];
        Ok(self.execute(SQL, values).await? == 1)
    }

    /// Ends all that is owed without an answer, and gives the lease back. The messages ended; `None` when the
    /// lease is lost. Messages of a reply of which no part had left count as not answered, and those of a hand-over
    /// that was not made as not handed over.
    ///
    /// The letter is archived with them, unless it is there already: nobody could replay messages that ended
    /// without one.
    pub async fn give_up_conversation(
        &self,
        lease: &ConversationLease,
        handled: Handled,
        letter: Option<&NewDeadLetter<'_>>,
    ) -> Result<Option<u64>, StoreError> {
        const CANCEL: &str = "
            UPDATE outbox SET status = 'cancelled', cancel_reason = 'broken', settled_at = $4
            WHERE corp = $1 AND account = $2 AND customer = $3 AND status = 'planned'";
        const UNKNOWN: &str = "
            UPDATE outbox SET status = 'unknown', settled_at = $4
            WHERE corp = $1 AND account = $2 AND customer = $3 AND status = 'sending'";
        const MESSAGES: &str = "
            UPDATE message SET handled = $5, handled_at = $4
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled IS NULL";
        const UNSAID: &str = "
            UPDATE message SET handled = $5, handled_at = $4
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled = 'answered'
                AND reply_id IN (
                    SELECT reply_id FROM outbox
                    WHERE corp = $1 AND account = $2 AND customer = $3 AND status = 'planned')
                AND NOT EXISTS (
                    SELECT 1 FROM outbox
                    WHERE outbox.corp = $1 AND outbox.account = $2 AND outbox.reply_id = message.reply_id
                        AND outbox.status NOT IN ('planned', 'cancelled'))";
        // Without their reply, of which a part may have left: they can be owed again.
        const NOT_HANDED_OVER: &str = "
            UPDATE message SET handled = $5, handled_at = $4, reply_id = NULL
            WHERE corp = $1 AND account = $2 AND customer = $3 AND handled IN ('pool', 'failed')
                AND reply_id = (
                    SELECT handover FROM conversation
                    WHERE conversation.corp = $1 AND conversation.account = $2 AND conversation.customer = $3)";
        const FREE: &str = "
            UPDATE conversation SET
                lease_owner = NULL, lease_until = NULL, wake_at = NULL, failures = 0, own_failures = 0,
                handover = NULL
            WHERE corp = $1 AND account = $2 AND customer = $3";
        let (corp, account, customer) = parts_of(&lease.key);
        transact!(self, session => {
            let Some(now) = lease.hold(session).await? else {
                return Ok(None);
            };
            let values = values![corp, account, customer, now, handled.as_str()];
            let unsaid = session.execute(UNSAID, values).await? + session.execute(NOT_HANDED_OVER, values).await?;
            let ended = session.execute(MESSAGES, values).await?;
            session.execute(CANCEL, &values[..4]).await?;
            session.execute(UNKNOWN, &values[..4]).await?;
            session.execute(FREE, &values[..3]).await?;
            if let Some(letter) = letter {
                letter.insert(session).await?;
            }
            Ok(Some(unsaid + ended))
        })
    }
}

impl ConversationLease {
    /// Locks the row and tells the database's time; `None` when the lease is lost.
    pub(crate) async fn hold(&self, session: &mut Session) -> Result<Option<i64>, StoreError> {
        let (corp, account, customer) = parts_of(&self.key);
        let values = values![corp, account, customer, self.fence, &self.job_id];
        let row: Option<(i64,)> = session.fetch_optional(HOLD, values).await?;
        Ok(row.map(|(now,)| now))
    }
}

/// The first three values of every statement about a conversation.
pub(crate) fn parts_of(key: &ConversationKey) -> (&str, &str, &str) {
    (key.corp.as_str(), key.account.as_str(), key.customer.as_str())
}

/// Why the lease was not taken. A row that became free meanwhile counts as held: its `wake_at` stands.
async fn not_taken(
    session: &mut Session,
    key: &ConversationKey,
    job_id: &str,
    redelivered: bool,
) -> Result<AcquiredConversation, StoreError> {
    const LOOK: &str = "
        SELECT COALESCE(lease_until > now_ms AND NOT (lease_owner = $4 AND $5), FALSE)
        FROM conversation, clock
        WHERE corp = $1 AND account = $2 AND customer = $3";
    // With a lease of its own from an earlier run it would be found held at its next time.
    const WAIT: &str = "
        UPDATE conversation SET lease_owner = NULL, lease_until = NULL, wake_at = now_ms + 30000
        FROM clock
        WHERE corp = $1 AND account = $2 AND customer = $3 AND wake_at IS NOT NULL
            AND (lease_until IS NULL OR lease_until <= now_ms OR (lease_owner = $4 AND $5))
            AND EXISTS (
                SELECT 1 FROM account
                WHERE account.corp = $1 AND account.account = $2
                    AND account.catching_up AND account.pulled_at > now_ms - 600000)";
    let (corp, account, customer) = parts_of(key);
    let values = values![corp, account, customer, job_id, redelivered];
    let Some((held,)) = session.fetch_optional::<(bool,)>(LOOK, values).await? else {
        return Ok(AcquiredConversation::Missing);
    };
    if held {
        return Ok(AcquiredConversation::Held);
    }
    session.execute(WAIT, values).await?;
    Ok(AcquiredConversation::CatchingUp)
}

#[derive(FromRow)]
struct HeadRow {
    fence: i64,
    wanted: i64,
    failures: i64,
    own_failures: i64,
    session: Option<i64>,
    customer_wrote_at: Option<i64>,
    budget_used: i64,
    handover: Option<String>,
    app: String,
    now_ms: i64,
}

impl HeadRow {
    fn head(self, key: &ConversationKey, job_id: &str) -> Result<Head, StoreError> {
        Ok(Head {
            lease: ConversationLease {
                key: key.clone(),
                app: self.app,
                job_id: job_id.to_owned(),
                fence: self.fence,
            },
            wanted: self.wanted,
            failures: small(self.failures),
            own_failures: small(self.own_failures),
            session: self.session.and_then(SessionState::from_code),
            budget: Budget {
                customer_wrote_at: self.customer_wrote_at.map(Millis),
                used: small(self.budget_used),
            },
            handover: self.handover,
            now: Millis(self.now_ms),
        })
    }
}
