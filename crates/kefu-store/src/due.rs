use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId};
use sqlx::FromRow;

use crate::notice::{due_notices, end_notices};
use crate::sql::{Session, values};
use crate::store::transact;
use crate::{Store, StoreError};

/// A row whose time has come: publish its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Account {
        corp: CorpId,
        account: AccountId,
        app: String,
    },
    Conversation {
        key: ConversationKey,
        app: String,
    },
    Welcome {
        id: String,
        app: String,
    },
    Notice {
        id: String,
        app: String,
    },
}

/// Moves `wake_at` on and returns the rows. At most 200 stands in the text: of a limit that is a value PostgreSQL takes a
/// tenth of what matches, and after an outage it would rather read the whole table than find so many rows by their keys.
///
/// `$lock` is what the engines differ in: on PostgreSQL a row that
/// somebody works on is left for the next tick, so the sweeper waits for nobody and is part of no deadlock;
/// SQLite has one writer.
macro_rules! take_accounts {
    ($lock:literal) => {
        concat!(
            "WITH taken AS MATERIALIZED (
                SELECT corp AS taken_corp, account AS taken_account FROM account
                WHERE wake_at <= (SELECT now_ms FROM clock)
                ORDER BY wake_at LIMIT 200 ",
            $lock,
            "), first AS (SELECT * FROM taken LIMIT $1)
            UPDATE account SET wake_at = now_ms + wake_backoff,
                wake_backoff = CASE WHEN wake_backoff < 1800000 THEN wake_backoff * 2 ELSE 3600000 END
            FROM clock, first
            WHERE corp = taken_corp AND account = taken_account
            RETURNING corp, account, app"
        )
    };
}

macro_rules! take_conversations {
    ($lock:literal) => {
        concat!(
            "WITH taken AS MATERIALIZED (
                SELECT corp AS taken_corp, account AS taken_account, customer AS taken_customer
                FROM conversation
                WHERE wake_at <= (SELECT now_ms FROM clock)
                ORDER BY wake_at LIMIT 200 ",
            $lock,
            "), first AS (SELECT * FROM taken LIMIT $1)
            UPDATE conversation SET wake_at = now_ms + wake_backoff,
                wake_backoff = CASE WHEN wake_backoff < 1800000 THEN wake_backoff * 2 ELSE 3600000 END
            FROM clock, first
            WHERE corp = taken_corp AND account = taken_account AND customer = taken_customer
            RETURNING corp, account, customer,
                (SELECT app FROM account
                    WHERE account.corp = conversation.corp AND account.account = conversation.account) AS app"
        )
    };
}

impl Store {
    /// Takes the rows whose `wake_at` has passed, at most `limit` and 200 of a kind, and moves their `wake_at` on: 60 s, doubling
    /// to 1 h until a worker takes the row. Publish them after this: a crash in between costs one backoff.
    /// Empty while another process sweeps.
    pub async fn due(&self, limit: u32) -> Result<Vec<Due>, StoreError> {
        transact!(self, session => {
            if !alone(session).await? {
                return Ok(Vec::new());
            }
            end_welcomes(session).await?;
            let mut due = due_welcomes(session, i64::from(limit)).await?;
            end_notices(session).await?;
            wake_handovers(session).await?;
            let left = i64::from(limit) - due.len() as i64;
            due.extend(due_notices(session, left).await?);
            let (accounts, conversations) = match session.is_postgres() {
                true => (
                    take_accounts!("FOR UPDATE SKIP LOCKED"),
                    take_conversations!("FOR UPDATE SKIP LOCKED"),
                ),
                false => (take_accounts!(""), take_conversations!("")),
            };
            let left = i64::from(limit) - due.len() as i64;
            let rows: Vec<AccountDue> = session.fetch_all(accounts, values![left]).await?;
            for row in rows {
                due.push(row.due()?);
            }
            let left = i64::from(limit) - due.len() as i64;
            let rows: Vec<ConversationDue> = session.fetch_all(conversations, values![left]).await?;
            for row in rows {
                due.push(row.due()?);
            }
            Ok(due)
        })
    }
}

/// One sweeper at a time, until this transaction ends. SQLite's write lock does the same by itself.
async fn alone(session: &mut Session) -> Result<bool, StoreError> {
    const LOCK: &str =
        "SELECT pg_try_advisory_xact_lock(hashtext('kefu sweeper'), hashtext(current_schema()))";
    if !session.is_postgres() {
        return Ok(true);
    }
    let row: Option<(bool,)> = session.fetch_optional(LOCK, &[]).await?;
    Ok(row.is_some_and(|(locked,)| locked))
}

/// Both conditions on the status: SQLite takes an index of a part of the rows only for the words of that part.
///
/// Codes live 20 s, and clocks differ: the server is the judge of the rest. A try whose process died is never known.
async fn end_welcomes(session: &mut Session) -> Result<(), StoreError> {
    const LATE: &str = "
        UPDATE welcome SET status = 'late', settled_at = now_ms, wake_at = NULL
        FROM clock
        WHERE status IN ('pending', 'sending') AND status = 'pending' AND event_at <= now_ms - 40000";
    const UNKNOWN: &str = "
        UPDATE welcome SET status = 'unknown', settled_at = now_ms, error = 'its process ended'
        FROM clock
        WHERE status IN ('pending', 'sending') AND status = 'sending' AND taken_at <= now_ms - 120000";
    session.execute(LATE, &[]).await?;
    session.execute(UNKNOWN, &[]).await?;
    Ok(())
}

/// Wakes rows of which somebody of an older version has forgotten the hand-over. `$lock` as above: whoever has such a row
/// may wait for a welcome or a notice that this transaction has taken.
macro_rules! wake_handovers {
    ($lock:literal) => {
        concat!(
            "WITH taken AS MATERIALIZED (
                SELECT corp AS taken_corp, account AS taken_account, customer AS taken_customer
                FROM conversation
                WHERE handover IS NOT NULL AND wake_at IS NULL
                LIMIT 200 ",
            $lock,
            ")
            UPDATE conversation SET wake_at = now_ms
            FROM clock, taken
            WHERE corp = taken_corp AND account = taken_account AND customer = taken_customer"
        )
    };
}

/// A worker of a version before hand-overs, running beside this one, gives a conversation back without looking at one.
async fn wake_handovers(session: &mut Session) -> Result<(), StoreError> {
    let sql = match session.is_postgres() {
        true => wake_handovers!("FOR UPDATE SKIP LOCKED"),
        false => wake_handovers!(""),
    };
    session.execute(sql, &[]).await?;
    Ok(())
}

async fn due_welcomes(session: &mut Session, limit: i64) -> Result<Vec<Due>, StoreError> {
    const SQL: &str = "
        UPDATE welcome SET wake_at = NULL
        FROM clock
        WHERE id IN (
            SELECT id FROM (
                SELECT id FROM welcome
                WHERE status IN ('pending', 'sending') AND status = 'pending'
                    AND wake_at <= (SELECT now_ms FROM clock)
                ORDER BY event_at LIMIT 200) AS due
            LIMIT $1)
        RETURNING id, (SELECT app FROM account
            WHERE account.corp = welcome.corp AND account.account = welcome.account) AS app";
    let rows: Vec<(String, String)> = session.fetch_all(SQL, values![limit]).await?;
    Ok(rows
        .into_iter()
        .map(|(id, app)| Due::Welcome { id, app })
        .collect())
}

#[derive(FromRow)]
struct AccountDue {
    corp: String,
    account: String,
    app: String,
}

impl AccountDue {
    fn due(self) -> Result<Due, StoreError> {
        Ok(Due::Account {
            corp: CorpId::parse(&self.corp).map_err(StoreError::unreadable)?,
            account: AccountId::parse(&self.account).map_err(StoreError::unreadable)?,
            app: self.app,
        })
    }
}

#[derive(FromRow)]
struct ConversationDue {
    corp: String,
    account: String,
    customer: String,
    app: String,
}

impl ConversationDue {
    fn due(self) -> Result<Due, StoreError> {
        Ok(Due::Conversation {
            key: ConversationKey {
                corp: CorpId::parse(&self.corp).map_err(StoreError::unreadable)?,
                account: AccountId::parse(&self.account).map_err(StoreError::unreadable)?,
                customer: CustomerId::parse(&self.customer).map_err(StoreError::unreadable)?,
            },
            app: self.app,
        })
    }
}
