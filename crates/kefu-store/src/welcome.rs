use kefu_domain::{AccountId, CorpId, CustomerId, Millis};
use secrecy::SecretString;
use sqlx::FromRow;

use crate::sql::values;
use crate::text::{clean, error_text};
use crate::{Store, StoreError};

/// A customer has just opened the chat; the code is good for 20 s (doc 95122).
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The msgid it is sent under.
    pub id: String,
    pub corp: CorpId,
    pub account: AccountId,
    pub customer: CustomerId,
    pub app: String,
    pub code: SecretString,
    pub event_at: Millis,
}

/// How the one try ended.
#[derive(Clone, Debug)]
pub enum WelcomeOutcome {
    Sent,
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
    /// Takes a pending welcome, once in its life: a redelivered job finds it taken.
    pub async fn take_welcome(&self, id: &str) -> Result<Option<Welcome>, StoreError> {
        const SQL: &str = "
            UPDATE welcome SET status = 'sending', taken_at = now_ms, wake_at = NULL
            FROM clock
            WHERE id = $1 AND status = 'pending'
            RETURNING id, corp, account, customer, code, event_at,
                (SELECT app FROM account
                    WHERE account.corp = welcome.corp AND account.account = welcome.account) AS app";
        let row: Option<WelcomeRow> = self.fetch_optional(SQL, values![id]).await?;
        row.map(WelcomeRow::welcome).transpose()
    }

    /// Notes how the try ended and what was said.
    pub async fn settle_welcome(
        &self,
        id: &str,
        outcome: &WelcomeOutcome,
        text: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE welcome SET
                status = $2, text = $3, error_code = $4, error = $5, settled_at = now_ms
            FROM clock
            WHERE id = $1 AND status IN ('sending', 'unknown')";
        let (status, code, error) = match outcome {
            WelcomeOutcome::Sent => ("sent", None, None),
            WelcomeOutcome::Late => ("late", None, None),
            WelcomeOutcome::Failed { code, error } => ("failed", *code, Some(error_text(error))),
            WelcomeOutcome::Unknown { error } => ("unknown", None, Some(error_text(error))),
        };
        let text = clean(text);
        self.execute(SQL, values![id, status, &*text, code, error.as_deref()])
            .await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct WelcomeRow {
    id: String,
    corp: String,
    account: String,
    customer: String,
    app: String,
    code: String,
    event_at: i64,
}

impl WelcomeRow {
    fn welcome(self) -> Result<Welcome, StoreError> {
        Ok(Welcome {
            id: self.id,
            corp: CorpId::parse(&self.corp).map_err(StoreError::unreadable)?,
            account: AccountId::parse(&self.account).map_err(StoreError::unreadable)?,
            customer: CustomerId::parse(&self.customer).map_err(StoreError::unreadable)?,
            app: self.app,
            code: self.code.into(),
            event_at: Millis(self.event_at),
        })
    }
}
