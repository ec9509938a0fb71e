//! Replies as a person sees them: which ones nobody knows the end of, and what was decided about those.

mod resolve;

pub use resolve::{Resolution, Resolved};

use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, Millis, PartStatus, Purpose};
use sqlx::FromRow;

use crate::sql::{small, values};
use crate::{Listed, Store, StoreError};

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

/// Which parts are meant. What is `None` does not narrow.
#[derive(Clone, Copy, Debug)]
pub struct ReplyQuery<'a> {
    pub filter: ReplyFilter,
    pub account: Option<&'a str>,
    pub customer: Option<&'a str>,
    /// Behind this one in the list.
    pub after: Option<&'a ReplyPlace>,
}

impl From<ReplyFilter> for ReplyQuery<'_> {
    fn from(filter: ReplyFilter) -> Self {
        ReplyQuery {
            filter,
            account: None,
            customer: None,
            after: None,
        }
    }
}

/// Where a part stands in a list: its time, reply and number. It stays what it is whatever becomes of the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyPlace {
    pub at: Millis,
    pub reply_id: String,
    pub part: u32,
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

impl ReplyRow {
    /// The time by which a list orders it.
    pub fn listed_at(&self, filter: ReplyFilter) -> Millis {
        match filter {
            ReplyFilter::Unknown | ReplyFilter::Failed => self.settled_at.unwrap_or(self.planned_at),
            ReplyFilter::Open => self.planned_at,
        }
    }
}

/// Parts of a status, the newest first by the time of that status, those of one reply in their order.
macro_rules! select_replies {
    ($status:literal, $at:literal) => {
        concat!(
            "SELECT corp, account, customer, msgid, reply_id, purpose, answers, generation, part, parts, status,
                attempts, planned_at, sending_at, settled_at, error_code, error, text
            FROM outbox WHERE ",
            $status,
            " AND ($2 IS NULL OR account = $2) AND ($3 IS NULL OR customer = $3)
                AND ",
            $at,
            // Says nothing new, and is where the index is entered: the words below are no range.
            " <= COALESCE($4, 9223372036854775807)
                AND ($4 IS NULL OR ",
            $at,
            " < $4 OR (",
            $at,
            " = $4 AND (reply_id > $5 OR (reply_id = $5 AND part > $6))))
            ORDER BY ",
            $at,
            " DESC, reply_id, part LIMIT $1"
        )
    };
}

impl Store {
    /// The newest first, by the time at which they became what they are.
    pub async fn replies(
        &self,
        query: impl Into<ReplyQuery<'_>>,
        limit: u32,
    ) -> Result<Listed<ReplyRow, ReplyPlace>, StoreError> {
        let query = query.into();
        // Each has an index of these rows alone, few beside all that was ever said.
        let sql = match query.filter {
            ReplyFilter::Unknown => select_replies!("status = 'unknown'", "settled_at"),
            ReplyFilter::Failed => select_replies!("status = 'failed'", "settled_at"),
            ReplyFilter::Open => select_replies!("status IN ('planned', 'sending')", "planned_at"),
        };
        let values = values![
            limit.saturating_add(1),
            query.account,
            query.customer,
            query.after.map(|place| place.at),
            query.after.map(|place| place.reply_id.as_str()),
            query.after.map(|place| i64::from(place.part))
        ];
        let rows: Vec<StoredReply> = self.fetch_all(sql, values).await?;
        let rows: Vec<ReplyRow> = rows.into_iter().map(StoredReply::row).collect::<Result<_, _>>()?;
        let place = |row: &ReplyRow| ReplyPlace {
            at: row.listed_at(query.filter),
            reply_id: row.reply_id.clone(),
            part: row.part,
        };
        Ok(Listed::new(rows, limit, place, None))
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
