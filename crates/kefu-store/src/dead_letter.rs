use kefu_domain::Millis;

use sqlx::FromRow;

use crate::sql::{small, values};
use crate::text::{clean, clean_option, error_text};
use crate::{Store, StoreError};

/// A job that ended for good without success.
#[derive(Clone, Debug)]
pub struct NewDeadLetter<'a> {
    /// Or `raw-<sha1>` for bytes without an id.
    pub job_id: &'a str,
    /// How often it was replayed before: a second death is a second letter.
    pub replay: u32,
    pub kind: Option<&'a str>,
    pub app: Option<&'a str>,
    pub lane: Option<&'a str>,
    pub reason: &'a str,
    pub attempts: u32,
    pub first_error: Option<&'a str>,
    pub last_error: Option<&'a str>,
    pub error_at: Option<Millis>,
    pub trace: Option<&'a str>,
    pub raw: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRow {
    pub seq: i64,
    pub job_id: String,
    pub replay: u32,
    pub kind: Option<String>,
    pub app: Option<String>,
    pub lane: Option<String>,
    pub reason: String,
    pub attempts: u32,
    pub first_error: Option<String>,
    pub last_error: Option<String>,
    pub error_at: Option<Millis>,
    pub archived_at: Millis,
    pub trace: Option<String>,
    pub raw: Vec<u8>,
}

impl Store {
    /// True when it is new. The key is job and replay: a second death after a replay is a second letter.
    pub async fn archive_dead_letter(&self, letter: &NewDeadLetter<'_>) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO dead_letter
                (job_id, replay, kind, app, lane, reason, attempts, first_error, last_error, error_at,
                trace, raw, archived_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now_ms FROM clock WHERE true
            ON CONFLICT (job_id, replay) DO NOTHING";
        let (job_id, reason) = (clean(letter.job_id), error_text(letter.reason));
        let [kind, app, lane, trace] = [letter.kind, letter.app, letter.lane, letter.trace].map(clean_option);
        let [first, last] = [letter.first_error, letter.last_error].map(|text| text.map(error_text));
        let values = values![
            &*job_id,
            letter.replay,
            kind.as_deref(),
            app.as_deref(),
            lane.as_deref(),
            &*reason,
            letter.attempts,
            first.as_deref(),
            last.as_deref(),
            letter.error_at,
            trace.as_deref(),
            letter.raw
        ];
        Ok(self.execute(SQL, values).await? == 1)
    }

    /// The newest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetterRow>, StoreError> {
        const SQL: &str = "
            SELECT seq, job_id, replay, kind, app, lane, reason, attempts, first_error, last_error,
                error_at, archived_at, trace, raw
            FROM dead_letter ORDER BY seq DESC LIMIT $1";
        let rows: Vec<StoredLetter> = self.fetch_all(SQL, values![limit]).await?;
        Ok(rows.into_iter().map(StoredLetter::row).collect())
    }
}

#[derive(FromRow)]
struct StoredLetter {
    seq: i64,
    job_id: String,
    replay: i64,
    kind: Option<String>,
    app: Option<String>,
    lane: Option<String>,
    reason: String,
    attempts: i64,
    first_error: Option<String>,
    last_error: Option<String>,
    error_at: Option<i64>,
    archived_at: i64,
    trace: Option<String>,
    raw: Vec<u8>,
}

impl StoredLetter {
    fn row(self) -> DeadLetterRow {
        DeadLetterRow {
            seq: self.seq,
            job_id: self.job_id,
            replay: small(self.replay),
            kind: self.kind,
            app: self.app,
            lane: self.lane,
            reason: self.reason,
            attempts: small(self.attempts),
            first_error: self.first_error,
            last_error: self.last_error,
            error_at: self.error_at.map(Millis),
            archived_at: Millis(self.archived_at),
            trace: self.trace,
            raw: self.raw,
        }
    }
}
