//! Replies as a person sees them: which ones nobody knows the end of, and what was decided about those.

mod resolve;

pub use resolve::{Resolution, Resolved};

use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, Millis, PartStatus, Purpose};
use sqlx::FromRow;

use crate::sql::{small, values};
use crate::{Store, StoreError};

/// Which parts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFilter {
    /// Nobody knows whether they were seen.
    Unknown,
    /// Refused for good, or reported by `msg_send_fail`.
    Failed,
    /// Planned, or on their way.
    Open,
}

/// One outgoing part and its story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRow {
    pub key: ConversationKey,
    pub msgid: String,
    pub reply_id: String,
    pub purpose: Purpose,
    /// The msgid of the last customer message answered.
    pub answers: String,
    pub generation: u32,
    /// From 1.
    pub part: u32,
    pub parts: u32,
    pub status: PartStatus,
    pub attempts: u32,
    pub planned_at: Millis,
    /// When its last call was begun.
    pub sending_at: Option<Millis>,
    pub settled_at: Option<Millis>,
    pub error_code: Option<i64>,
    pub error: Option<String>,
    /// What was, or would be, said to the customer.
    pub text: String,
}

macro_rules! select_replies {
    ($rest:literal) => {
        concat!(
            "SELECT corp, account, customer, msgid, reply_id, purpose, answers, generation, part, parts, status,
                attempts, planned_at, sending_at, settled_at, error_code, error, text
            FROM outbox WHERE ",
            $rest
        )
    };
}

impl Store {
    /// The newest first.
    pub async fn replies(&self, filter: ReplyFilter, limit: u32) -> Result<Vec<ReplyRow>, StoreError> {
        let sql = match filter {
            ReplyFilter::Unknown => {
                select_replies!("status = 'unknown' ORDER BY settled_at DESC, msgid LIMIT $1")
            }
            ReplyFilter::Failed => {
                select_replies!("status = 'failed' ORDER BY settled_at DESC, msgid LIMIT $1")
            }
            ReplyFilter::Open => {
                select_replies!(
                    "status IN ('planned', 'sending') ORDER BY planned_at DESC, reply_id, part LIMIT $1"
                )
            }
        };
        let rows: Vec<StoredReply> = self.fetch_all(sql, values![limit]).await?;
        rows.into_iter().map(StoredReply::row).collect()
    }

    /// How many parts wait for somebody to say what became of them.
    pub async fn unknown_replies(&self) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT count(*) FROM outbox WHERE status = 'unknown'";
        let row: Option<(i64,)> = self.fetch_optional(SQL, &[]).await?;
        Ok(row.map_or(0, |(count,)| u64::try_from(count).unwrap_or(0)))
    }
}

#[derive(FromRow)]
struct StoredReply {
    corp: String,
    account: String,
    customer: String,
    msgid: String,
    reply_id: String,
    purpose: String,
    answers: String,
    generation: i64,
    part: i64,
    parts: i64,
    status: String,
    attempts: i64,
    planned_at: i64,
    sending_at: Option<i64>,
    settled_at: Option<i64>,
    error_code: Option<i64>,
    error: Option<String>,
    text: String,
}

impl StoredReply {
    fn row(self) -> Result<ReplyRow, StoreError> {
        Ok(ReplyRow {
            key: ConversationKey {
                corp: CorpId::parse(&self.corp).map_err(StoreError::unreadable)?,
                account: AccountId::parse(&self.account).map_err(StoreError::unreadable)?,
                customer: CustomerId::parse(&self.customer).map_err(StoreError::unreadable)?,
            },
            msgid: self.msgid,
            reply_id: self.reply_id,
            purpose: Purpose::parse(&self.purpose).map_err(StoreError::unreadable)?,
            answers: self.answers,
            generation: small(self.generation),
            part: small(self.part),
            parts: small(self.parts),
            status: PartStatus::parse(&self.status).map_err(StoreError::unreadable)?,
            attempts: small(self.attempts),
            planned_at: Millis(self.planned_at),
            sending_at: self.sending_at.map(Millis),
            settled_at: self.settled_at.map(Millis),
            error_code: self.error_code,
            error: self.error,
            text: self.text,
        })
    }
}
