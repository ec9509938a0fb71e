//! What is said to a customer in the pool, where nothing can be sent but one text on the code of the move.

use std::time::Duration;

use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, PartName, Purpose, msgid};
use secrecy::SecretString;
use sqlx::FromRow;

use crate::conversation::parts_of;
use crate::sql::{Session, values};
use crate::text::{clean, error_text};
use crate::turn::PoolCode;
use crate::{Due, Store, StoreError};

/// A notice whose job is published at once is published again after this, in ms, and so is each that was not taken.
const WAKE_MS: i64 = 60_000;

/// A text that is due.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The msgid it is sent under.
    pub id: String,
    pub corp: CorpId,
    pub account: AccountId,
    pub customer: CustomerId,
    pub app: String,
    pub purpose: Purpose,
    pub code: SecretString,
    pub text: String,
}

/// How a notice ended.
#[derive(Clone, Debug)]
pub enum NoticeOutcome {
    Sent,
    /// The customer is no longer in the pool: not tried.
    Over,
    /// The server says the code is dead.
    Late,
    Failed {
        code: Option<i64>,
        error: String,
    },
    Unknown {
        error: String,
    },
}

impl Store {
    /// A notice that is still to be said.
    pub async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError> {
        const SQL: &str = "
            SELECT id, corp, account, customer, purpose, code, text,
                (SELECT app FROM account
                    WHERE account.corp = notice.corp AND account.account = notice.account) AS app
            FROM notice WHERE id = $1 AND status = 'pending'";
        let row: Option<NoticeRow> = self.fetch_optional(SQL, values![id]).await?;
        row.map(NoticeRow::notice).transpose()
    }

    /// Takes a notice for its one try: false for whoever comes second.
    pub async fn take_notice(&self, id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE notice SET status = 'sending', taken_at = now_ms, wake_at = NULL
            FROM clock
            WHERE id = $1 AND status = 'pending'";
        Ok(self.execute(SQL, values![id]).await? == 1)
    }

    /// Notes how the try of who took it ended, or why there is none.
    pub async fn settle_notice(&self, id: &str, outcome: &NoticeOutcome) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE notice SET status = $2, error_code = $3, error = $4, settled_at = now_ms, wake_at = NULL
            FROM clock
            WHERE id = $1 AND status IN ('sending', 'unknown')";
        let (status, code, error) = match outcome {
            NoticeOutcome::Sent => ("sent", None, None),
            NoticeOutcome::Over => ("over", None, None),
            NoticeOutcome::Late => ("late", None, None),
            NoticeOutcome::Failed { code, error } => ("failed", *code, Some(error_text(error))),
            NoticeOutcome::Unknown { error } => ("unknown", None, Some(error_text(error))),
        };
        self.execute(SQL, values![id, status, code, error.as_deref()])
            .await?;
        Ok(())
    }
}

/// A notice as it is stored with the end of its hand-over.
pub(crate) struct NewNotice<'a> {
    pub(crate) id: String,
    purpose: Purpose,
    code: &'a str,
    text: &'a str,
    after: Duration,
}

impl<'a> NewNotice<'a> {
    /// What the code is used for: to tell of the hand-over where that was not `said`, else of the long wait.
    pub(crate) fn of(
        code: &'a PoolCode,
        said: bool,
        key: &ConversationKey,
        handover: &str,
    ) -> Option<NewNotice<'a>> {
        match (&code.handover, &code.waiting) {
            (Some(text), _) if !said => Some(NewNotice {
                // No part has left under it.
                id: name(key, Purpose::Handover, handover),
                purpose: Purpose::Handover,
                code: &code.code,
                text,
                after: Duration::ZERO,
            }),
            (_, Some((text, after))) => Some(NewNotice {
                id: name(key, Purpose::Waiting, handover),
                purpose: Purpose::Waiting,
                code: &code.code,
                text,
                after: *after,
            }),
            (_, None) => None,
        }
    }

    pub(crate) fn is_due_now(&self) -> bool {
        self.after.is_zero()
    }

    /// Their codes were of a wait that is over.
    pub(crate) async fn end_earlier(
        session: &mut Session,
        key: &ConversationKey,
        now: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE notice SET status = 'over', settled_at = $4, wake_at = NULL
            WHERE corp = $1 AND account = $2 AND customer = $3 AND status = 'pending'";
        let (corp, account, customer) = parts_of(key);
        session
            .execute(SQL, values![corp, account, customer, now])
            .await?;
        Ok(())
    }

    pub(crate) async fn insert(
        &self,
        session: &mut Session,
        key: &ConversationKey,
        now: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO notice (id, corp, account, customer, purpose, code, code_at, text, status, wake_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9)
            ON CONFLICT (id) DO NOTHING";
        let (corp, account, customer) = parts_of(key);
        let (code, text) = (clean(self.code), clean(self.text));
        let wait = match self.is_due_now() {
            true => WAKE_MS,
            false => i64::try_from(self.after.as_millis()).unwrap_or(i64::MAX),
        };
        let values = values![
            &self.id,
            corp,
            account,
            customer,
            self.purpose.as_str(),
            &*code,
            now,
            &*text,
            now.saturating_add(wait)
        ];
        session.execute(SQL, values).await?;
        Ok(())
    }
}

/// Its own msgid, whatever was said in parts.
fn name(key: &ConversationKey, purpose: Purpose, handover: &str) -> String {
    let name = PartName {
        purpose,
        answers: handover,
        generation: 0,
        part: 1,
    };
    msgid(key, name)
}

/// Codes live 48 h; a try whose process died is never known.
pub(crate) async fn end_notices(session: &mut Session) -> Result<(), StoreError> {
    const LATE: &str = "
        UPDATE notice SET status = 'late', settled_at = now_ms, wake_at = NULL
        FROM clock
        WHERE status = 'pending' AND wake_at <= now_ms AND code_at <= now_ms - 172800000";
    const UNKNOWN: &str = "
        UPDATE notice SET status = 'unknown', settled_at = now_ms, error = 'its process ended'
        FROM clock
        WHERE status = 'sending' AND taken_at <= now_ms - 120000";
    session.execute(LATE, &[]).await?;
    session.execute(UNKNOWN, &[]).await?;
    Ok(())
}

/// Moves on those whose time has come, until somebody takes them.
pub(crate) async fn due_notices(session: &mut Session, limit: i64) -> Result<Vec<Due>, StoreError> {
    const SQL: &str = "
        UPDATE notice SET wake_at = now_ms + $2
        FROM clock
        WHERE id IN (
            SELECT id FROM (
                SELECT id FROM notice
                WHERE status = 'pending' AND wake_at <= (SELECT now_ms FROM clock)
                ORDER BY wake_at LIMIT 200) AS due
            LIMIT $1)
        RETURNING id, (SELECT app FROM account
            WHERE account.corp = notice.corp AND account.account = notice.account) AS app";
    let rows: Vec<(String, String)> = session.fetch_all(SQL, values![limit, WAKE_MS]).await?;
    Ok(rows
        .into_iter()
        .map(|(id, app)| Due::Notice { id, app })
        .collect())
}

#[derive(FromRow)]
struct NoticeRow {
    id: String,
    corp: String,
    account: String,
    customer: String,
    app: String,
    purpose: String,
    code: String,
    text: String,
}

impl NoticeRow {
    fn notice(self) -> Result<Notice, StoreError> {
        Ok(Notice {
            id: self.id,
            corp: CorpId::parse(&self.corp).map_err(StoreError::unreadable)?,
            account: AccountId::parse(&self.account).map_err(StoreError::unreadable)?,
            customer: CustomerId::parse(&self.customer).map_err(StoreError::unreadable)?,
            app: self.app,
            purpose: Purpose::parse(&self.purpose).map_err(StoreError::unreadable)?,
            code: self.code.into(),
            text: self.text,
        })
    }
}
