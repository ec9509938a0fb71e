//! The real store on SQLite, with its clock in the hand of the simulation: the view `clock` becomes a table.

use std::str::FromStr;
use std::time::Duration;

use kefu_domain::{CancelReason, ConversationKey, Handled, MessageId, Millis};
use kefu_store::{
    AccountLease, AcquireAccount, AcquiredAccount, AcquiredConversation, ConversationLease, Decision, Due,
    Handover, Owed, Page, PageOutcome, Part, PartOutcome, Released, Settled, Store, Turn, Whose,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::Runtime;

use super::transitions::{LEASE, LIMITS, Look, LookMessage, LookPart, LookRow, Transitions};
use crate::harness::{self, Database, account, corp};

/// A database for one seed after the other.
pub(super) struct Real {
    runtime: Runtime,
    database: Database,
    /// Beside the store's: moves the clock and looks at the rows.
    raw: SqliteConnection,
}

impl Real {
    pub(super) fn new() -> Real {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (database, raw) = runtime.block_on(async {
            let database = harness::sqlite().await;
            let options = SqliteConnectOptions::from_str(&database.url)
                .unwrap()
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Off);
            let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(
                "DROP VIEW clock; CREATE TABLE clock (now_ms BIGINT NOT NULL); INSERT INTO clock VALUES (0)",
            )
            .execute(&mut raw)
            .await
            .unwrap();
            (database, raw)
        });
        Real {
            runtime,
            database,
            raw,
        }
    }

    /// Makes room for the next seed.
    pub(super) fn clear(&mut self) {
        let sql = "DELETE FROM outbox; DELETE FROM message; DELETE FROM conversation; DELETE FROM account;
            DELETE FROM notice; DELETE FROM sqlite_sequence";
        self.runtime
            .block_on(sqlx::raw_sql(sql).execute(&mut self.raw))
            .unwrap();
    }

    fn store(&self) -> &Store {
        &self.database.store
    }
}

type RowColumns = (
    String,
    i64,
    Option<String>,
    Option<i64>,
    i64,
    Option<i64>,
    i64,
    i64,
    Option<String>,
);

fn row(columns: RowColumns) -> LookRow {
    let (name, fence, lease_owner, lease_until, wanted, wake_at, failures, budget_used, handover) = columns;
    LookRow {
        name,
        fence,
        lease_owner,
        lease_until,
        wanted,
        wake_at,
        failures,
        budget_used,
        handover,
    }
}

type MessageColumns = (String, String, Option<String>, Option<String>, bool);

async fn look(raw: &mut SqliteConnection) -> Result<Look, sqlx::Error> {
    const ACCOUNT: &str = "
        SELECT account, fence, lease_owner, lease_until, wanted, wake_at, failures, 0, NULL FROM account";
    const CONVERSATIONS: &str = "
        SELECT customer, fence, lease_owner, lease_until, wanted, wake_at, failures, budget_used, handover
        FROM conversation ORDER BY customer";
    const MESSAGES: &str =
        "SELECT msgid, COALESCE(customer, ''), handled, reply_id, recalled FROM message ORDER BY seq";
    const PARTS: &str = "SELECT msgid, customer, reply_id, status FROM outbox ORDER BY msgid";
    let account: Option<RowColumns> = sqlx::query_as(ACCOUNT).fetch_optional(&mut *raw).await?;
    let conversations: Vec<RowColumns> = sqlx::query_as(CONVERSATIONS).fetch_all(&mut *raw).await?;
    let messages: Vec<MessageColumns> = sqlx::query_as(MESSAGES).fetch_all(&mut *raw).await?;
    let parts: Vec<(String, String, String, String)> = sqlx::query_as(PARTS).fetch_all(raw).await?;
    let message = |(msgid, customer, handled, reply_id, recalled)| LookMessage {
        msgid,
        customer,
        handled,
        reply_id,
        recalled,
    };
    let part = |(msgid, customer, reply_id, status)| LookPart {
        msgid,
        customer,
        reply_id,
        status,
    };
    Ok(Look {
        account: account.map(row),
        conversations: conversations.into_iter().map(row).collect(),
        messages: messages.into_iter().map(message).collect(),
        parts: parts.into_iter().map(part).collect(),
    })
}

/// Runs one method of the store to its end.
macro_rules! run {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        $self.runtime.block_on($self.store().$method($($argument),*)).unwrap()
    };
}

impl Transitions for Real {
    fn set_now(&mut self, now: i64) {
        let query = sqlx::query("UPDATE clock SET now_ms = ?").bind(now);
        self.runtime.block_on(query.execute(&mut self.raw)).unwrap();
    }

    fn look(&mut self) -> Look {
        self.runtime.block_on(look(&mut self.raw)).unwrap()
    }

    fn due(&mut self) -> Vec<Due> {
        let mut due = run!(self, due(200));
        due.sort_by_key(|due| match due {
            Due::Account { .. } | Due::Welcome { .. } | Due::Notice { .. } => String::new(),
            Due::Conversation { key, .. } => key.customer.as_str().to_owned(),
        });
        due
    }

    fn acquire_account(&mut self, job_id: &str, redelivered: bool, received_at: i64) -> AcquiredAccount {
        let (corp, account) = (corp(), account());
        let ask = AcquireAccount {
            corp: &corp,
            account: &account,
            app: "default",
            job_id,
            redelivered,
            token: None,
            received_at: Millis(received_at),
            lease: LEASE,
        };
        run!(self, acquire_account(ask))
    }

    fn extend_account(&mut self, lease: &AccountLease) -> bool {
        run!(self, extend_account(lease, LEASE))
    }

    fn commit_page(&mut self, lease: &AccountLease, page: &Page) -> PageOutcome {
        run!(self, commit_page(lease, page))
    }

    fn release_account(&mut self, lease: &AccountLease, noted: i64) -> Released<AccountLease> {
        run!(self, release_account(lease, noted))
    }

    fn yield_account(&mut self, lease: &AccountLease) -> bool {
        run!(self, yield_account(lease))
    }

    fn fail_account(&mut self, lease: &AccountLease, wake_in: Duration) -> u32 {
        run!(self, fail_account(lease, wake_in, "simulated"))
    }

    fn park_account(&mut self, lease: &AccountLease, wake_in: Duration) -> bool {
        run!(self, park_account(lease, wake_in))
    }

    fn acquire_conversation(
        &mut self,
        key: &ConversationKey,
        job_id: &str,
        redelivered: bool,
    ) -> AcquiredConversation {
        run!(
            self,
            acquire_conversation(key, job_id, redelivered, LEASE, LIMITS)
        )
    }

    fn extend_conversation(&mut self, lease: &ConversationLease) -> bool {
        run!(self, extend_conversation(lease, LEASE))
    }

    fn reload_turn(&mut self, lease: &ConversationLease) -> Option<Turn> {
        run!(self, reload_turn(lease, LEASE, LIMITS))
    }

    fn release_conversation(&mut self, lease: &ConversationLease, noted: i64) -> Released<()> {
        run!(self, release_conversation(lease, noted))
    }

    fn fail_conversation(&mut self, lease: &ConversationLease, wake_in: Duration, whose: Whose) -> u32 {
        run!(self, fail_conversation(lease, wake_in, whose, "simulated"))
    }

    fn park_conversation(&mut self, lease: &ConversationLease, wake_in: Duration) -> bool {
        run!(self, park_conversation(lease, wake_in))
    }

    fn give_up_conversation(&mut self, lease: &ConversationLease, handled: Handled) -> u64 {
        run!(self, give_up_conversation(lease, handled, None)).unwrap_or(0)
    }

    fn decide(&mut self, lease: &ConversationLease, decision: &Decision) -> Option<Vec<Part>> {
        run!(self, decide(lease, decision))
    }

    fn set_handled(&mut self, lease: &ConversationLease, ids: &[MessageId], handled: Handled) -> bool {
        run!(self, set_handled(lease, ids, handled))
    }

    fn decide_handover(&mut self, lease: &ConversationLease, handover: &Handover) -> Option<bool> {
        run!(self, decide_handover(lease, handover))
    }

    fn end_handover(&mut self, lease: &ConversationLease, handled: Handled) -> bool {
        run!(self, end_handover(lease, handled, None)).is_some()
    }

    fn refuse_handover(&mut self, lease: &ConversationLease) -> bool {
        run!(self, refuse_handover(lease)).is_some()
    }

    fn mark_sending(&mut self, lease: &ConversationLease, msgid: &str) -> bool {
        run!(self, mark_sending(lease, msgid))
    }

    fn settle_part(&mut self, lease: &ConversationLease, msgid: &str, outcome: &PartOutcome) -> bool {
        run!(self, settle_part(lease, msgid, outcome)) != Settled::LeaseLost
    }

    fn replan_part(&mut self, lease: &ConversationLease, msgid: &str) -> bool {
        run!(self, replan_part(lease, msgid, "simulated")).is_some()
    }

    fn cancel_reply(
        &mut self,
        lease: &ConversationLease,
        reply_id: &str,
        reason: CancelReason,
        owed: Owed,
    ) -> bool {
        run!(self, cancel_reply(lease, reply_id, reason, owed))
    }
}
