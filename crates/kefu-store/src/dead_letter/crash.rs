use kefu_domain::RowRef;

use super::NewDeadLetter;
use crate::conversation::parts_of;
use crate::sql::{Session, small, values};
use crate::store::transact;
use crate::text::{clean, error_text};
use crate::{Store, StoreError};

/// What is known after the letter of a crashed job was archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The letter was not there before, so its row has counted it now.
    pub is_new: bool,
    /// The row's failures, of a conversation those of our own; 0 when there is no such row.
    pub failures: u32,
}

impl Store {
    /// Archives a job that nobody gave a verdict on and notes one failure on its row, which wakes in 5 s the first
    /// time, then in 2 min: the job may only have been there when another one killed the process. After six failures
    /// an account wakes after 1 h.
    ///
    /// A lease of the dead job ends here: nobody will give it back, and who wakes before its end would find it held.
    /// The fence goes up with it, should something of the job still live.
    ///
    /// A letter that was there before counts nothing and tells the failures again: whoever archived it may have died
    /// before he could decide about them.
    pub async fn archive_crashed(
        &self,
        letter: &NewDeadLetter<'_>,
        row: &RowRef,
    ) -> Result<Crash, StoreError> {
        transact!(self, session => {
            let is_new = letter.insert(session).await?;
            let failures = match is_new {
                true => fail(row, session, letter).await?,
                false => failures(row, session).await?,
            };
            Ok(Crash { is_new, failures })
        })
    }
}

/// Notes a failure on the row.
async fn fail(row: &RowRef, session: &mut Session, letter: &NewDeadLetter<'_>) -> Result<u32, StoreError> {
    const ACCOUNT: &str = "
        UPDATE account SET
            fence = CASE WHEN lease_owner = $4 THEN fence + 1 ELSE fence END,
            lease_until = CASE WHEN lease_owner = $4 THEN NULL ELSE lease_until END,
            lease_owner = NULLIF(lease_owner, $4),
            wake_at = now_ms
                + CASE WHEN failures = 0 THEN 5000 WHEN failures < 5 THEN 120000 ELSE 3600000 END,
            failures = failures + 1,
            first_error = CASE WHEN failures = 0 THEN $3 ELSE first_error END,
            first_error_at = CASE WHEN failures = 0 THEN now_ms ELSE first_error_at END,
            last_error = $3, last_error_at = now_ms
        FROM clock
        WHERE corp = $1 AND account = $2
        RETURNING failures";
    const CONVERSATION: &str = "
        UPDATE conversation SET
            fence = CASE WHEN lease_owner = $5 THEN fence + 1 ELSE fence END,
            lease_until = CASE WHEN lease_owner = $5 THEN NULL ELSE lease_until END,
            lease_owner = NULLIF(lease_owner, $5),
            wake_at = now_ms + CASE WHEN own_failures = 0 THEN 5000 ELSE 120000 END,
            failures = failures + 1, own_failures = own_failures + 1,
            first_error = CASE WHEN failures = 0 THEN $4 ELSE first_error END,
            first_error_at = CASE WHEN failures = 0 THEN now_ms ELSE first_error_at END,
            last_error = $4, last_error_at = now_ms
        FROM clock
        WHERE corp = $1 AND account = $2 AND customer = $3
        RETURNING own_failures";
    let error = error_text(letter.last_error.unwrap_or(letter.reason));
    let job_id = clean(letter.job_id);
    let failed: Option<(i64,)> = match row {
        RowRef::Account { corp, account } => {
            session
                .fetch_optional(
                    ACCOUNT,
                    values![corp.as_str(), account.as_str(), &*error, &*job_id],
                )
                .await?
        }
        RowRef::Conversation(key) => {
            let (corp, account, customer) = parts_of(key);
            let values = values![corp, account, customer, &*error, &*job_id];
            session.fetch_optional(CONVERSATION, values).await?
        }
    };
    Ok(failed.map_or(0, |(failures,)| small(failures)))
}

async fn failures(row: &RowRef, session: &mut Session) -> Result<u32, StoreError> {
    const ACCOUNT: &str = "SELECT failures FROM account WHERE corp = $1 AND account = $2";
    const CONVERSATION: &str = "
        SELECT own_failures FROM conversation WHERE corp = $1 AND account = $2 AND customer = $3";
    let failures: Option<(i64,)> = match row {
        RowRef::Account { corp, account } => {
            session
                .fetch_optional(ACCOUNT, values![corp.as_str(), account.as_str()])
                .await?
        }
        RowRef::Conversation(key) => {
            let (corp, account, customer) = parts_of(key);
            let values = values![corp, account, customer];
            session.fetch_optional(CONVERSATION, values).await?
        }
    };
    Ok(failures.map_or(0, |(failures,)| small(failures)))
}
