use super::NewDeadLetter;
use crate::sql::{Session, small, values};
use crate::store::transact;
use crate::text::error_text;
use crate::{Store, StoreError};

/// The row a job stands on: its truth, of which the job is only a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobRow<'a> {
    Account {
        app: &'a str,
        account: &'a str,
    },
    Conversation {
        corp: &'a str,
        account: &'a str,
        customer: &'a str,
    },
}

impl Store {
    /// Archives a job that nobody gave a verdict on and notes one failure on its row, which wakes in 5 s the first
    /// time, then in 2 min: the job may only have been there when another one killed the process. After six failures
    /// an account wakes after 1 h.
    ///
    /// The row's failures, of a conversation those of our own, 0 when there is no such row; `None` when the letter
    /// was archived before.
    pub async fn archive_crashed(
        &self,
        letter: &NewDeadLetter<'_>,
        row: &JobRow<'_>,
    ) -> Result<Option<u32>, StoreError> {
        transact!(self, session => {
            if !letter.insert(session).await? {
                return Ok(None);
            }
            Ok(Some(row.fail(session, letter.last_error.unwrap_or(letter.reason)).await?))
        })
    }
}

impl JobRow<'_> {
    async fn fail(&self, session: &mut Session, error: &str) -> Result<u32, StoreError> {
        const ACCOUNT: &str = "
            UPDATE account SET
                wake_at = now_ms
                    + CASE WHEN failures = 0 THEN 5000 WHEN failures < 5 THEN 120000 ELSE 3600000 END,
                failures = failures + 1,
                first_error = CASE WHEN failures = 0 THEN $3 ELSE first_error END,
                first_error_at = CASE WHEN failures = 0 THEN now_ms ELSE first_error_at END,
                last_error = $3, last_error_at = now_ms
            FROM clock
            WHERE app = $1 AND account = $2
            RETURNING failures";
        const CONVERSATION: &str = "
            UPDATE conversation SET
                wake_at = now_ms + CASE WHEN own_failures = 0 THEN 5000 ELSE 120000 END,
                failures = failures + 1, own_failures = own_failures + 1,
                first_error = CASE WHEN failures = 0 THEN $4 ELSE first_error END,
                first_error_at = CASE WHEN failures = 0 THEN now_ms ELSE first_error_at END,
                last_error = $4, last_error_at = now_ms
            FROM clock
            WHERE corp = $1 AND account = $2 AND customer = $3
            RETURNING own_failures";
        let error = error_text(error);
        let failed: Option<(i64,)> = match *self {
            JobRow::Account { app, account } => {
                session
                    .fetch_optional(ACCOUNT, values![app, account, &*error])
                    .await?
            }
            JobRow::Conversation {
                corp,
                account,
                customer,
            } => {
                let values = values![corp, account, customer, &*error];
                session.fetch_optional(CONVERSATION, values).await?
            }
        };
        Ok(failed.map_or(0, |(failures,)| small(failures)))
    }
}
