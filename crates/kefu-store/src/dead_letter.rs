mod crash;
mod find;
mod replay;

pub use crash::Crash;
pub use find::LetterQuery;

use kefu_domain::Millis;
use sqlx::FromRow;

use crate::sql::{Session, small, values};
use crate::store::transact;
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
    pub first_error_at: Option<Millis>,
    pub last_error: Option<&'a str>,
    /// When the last error was.
    pub error_at: Option<Millis>,
    pub trace: Option<&'a str>,
    pub raw: &'a [u8],
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterState {
    /// Nobody has done anything about it.
    Open,
    /// Wanted again; a worker publishes its job within seconds.
    Replaying,
    /// Its job was published again. A second death is a letter of its own.
    Replayed,
    /// Kept, and of no further interest.
    Discarded,
}

impl LetterState {
    pub const ALL: [LetterState; 4] = [
        LetterState::Open,
        LetterState::Replaying,
        LetterState::Replayed,
        LetterState::Discarded,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            LetterState::Open => "open",
            LetterState::Replaying => "replaying",
            LetterState::Replayed => "replayed",
            LetterState::Discarded => "discarded",
        }
    }

    fn parse(word: &str) -> Result<LetterState, StoreError> {
        let known = LetterState::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| StoreError::unreadable(UnknownState(word.to_owned())))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("unknown letter state: {0}")]
struct UnknownState(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// Its number, by which operators name it.
    pub seq: i64,
    pub job_id: String,
    pub replay: u32,
    pub kind: Option<String>,
    pub app: Option<String>,
    pub lane: Option<String>,
    pub reason: String,
    pub attempts: u32,
    pub first_error: Option<String>,
    pub first_error_at: Option<Millis>,
    pub last_error: Option<String>,
    /// When the last error was.
    pub error_at: Option<Millis>,
    pub archived_at: Millis,
    pub state: LetterState,
    /// When the state last changed; `None` for a letter that is open since its death.
    pub state_at: Option<Millis>,
    pub trace: Option<String>,
    pub raw_bytes: u64,
    /// The job as it came; empty where only a list is asked for.
    pub raw: Vec<u8>,
}

impl Store {
    /// True when it is new. The key is job and replay: a second death after a replay is a second letter.
    pub async fn archive_dead_letter(&self, letter: &NewDeadLetter<'_>) -> Result<bool, StoreError> {
        transact!(self, session => letter.insert(session).await)
    }

    /// The newest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetterRow>, StoreError> {
        const SQL: &str = select_letters!("raw", "FROM dead_letter ORDER BY seq DESC LIMIT $1");
        StoredLetter::rows(self.fetch_all(SQL, values![limit]).await?)
    }

    /// One letter by its number.
    pub async fn dead_letter(&self, seq: i64) -> Result<Option<DeadLetterRow>, StoreError> {
        const SQL: &str = select_letters!("raw", "FROM dead_letter WHERE seq = $1");
        let row: Option<StoredLetter> = self.fetch_optional(SQL, values![seq]).await?;
        row.map(StoredLetter::row).transpose()
    }
}

impl NewDeadLetter<'_> {
    /// False when it was there before.
    pub(crate) async fn insert(&self, session: &mut Session) -> Result<bool, StoreError> {
        const SQL: &str = "
            INSERT INTO dead_letter
                (job_id, replay, kind, app, lane, reason, attempts, first_error, first_error_at, last_error,
                error_at, trace, raw, archived_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now_ms FROM clock WHERE true
            ON CONFLICT (job_id, replay) DO NOTHING";
        let (job_id, reason) = (clean(self.job_id), error_text(self.reason));
        let [kind, app, lane, trace] = [self.kind, self.app, self.lane, self.trace].map(clean_option);
        let [first, last] = [self.first_error, self.last_error].map(|text| text.map(error_text));
        let values = values![
            &*job_id,
            self.replay,
            kind.as_deref(),
            app.as_deref(),
            lane.as_deref(),
            &*reason,
            self.attempts,
            first.as_deref(),
            self.first_error_at,
            last.as_deref(),
            self.error_at,
            trace.as_deref(),
            self.raw
        ];
        Ok(session.execute(SQL, values).await? == 1)
    }
}

/// The columns of [`StoredLetter`], with `$raw` as its bytes.
macro_rules! letter_columns {
    ($raw:expr) => {
        concat!(
            "seq, job_id, replay, kind, app, lane, reason, attempts, first_error, first_error_at, last_error,
            error_at, archived_at, state, state_at, trace, CAST(length(raw) AS BIGINT) AS raw_bytes, ",
            $raw,
            " AS raw"
        )
    };
}
use letter_columns;

macro_rules! select_letters {
    ($raw:expr, $($rest:expr),+) => {
        concat!("SELECT ", letter_columns!($raw), " ", $($rest),+)
    };
}
use select_letters;

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
    first_error_at: Option<i64>,
    last_error: Option<String>,
    error_at: Option<i64>,
    archived_at: i64,
    state: String,
    state_at: Option<i64>,
    trace: Option<String>,
    raw_bytes: i64,
    raw: Vec<u8>,
}

impl StoredLetter {
    fn row(self) -> Result<DeadLetterRow, StoreError> {
        Ok(DeadLetterRow {
            seq: self.seq,
            job_id: self.job_id,
            replay: small(self.replay),
            kind: self.kind,
            app: self.app,
            lane: self.lane,
            reason: self.reason,
            attempts: small(self.attempts),
            first_error: self.first_error,
            first_error_at: self.first_error_at.map(Millis),
            last_error: self.last_error,
            error_at: self.error_at.map(Millis),
            archived_at: Millis(self.archived_at),
            state: LetterState::parse(&self.state)?,
            state_at: self.state_at.map(Millis),
            trace: self.trace,
            raw_bytes: u64::try_from(self.raw_bytes).unwrap_or(0),
            raw: self.raw,
        })
    }

    fn rows(rows: Vec<StoredLetter>) -> Result<Vec<DeadLetterRow>, StoreError> {
        rows.into_iter().map(StoredLetter::row).collect()
    }
}
