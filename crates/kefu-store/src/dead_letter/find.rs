use std::time::Duration;

use super::{DeadLetterRow, LetterState, StoredLetter, letter_columns, select_letters};
use crate::sql::{Value, values};
use crate::{Store, StoreError};

/// Which letters are meant. What is `None` does not narrow.
#[derive(Clone, Copy, Debug, Default)]
pub struct LetterQuery<'a> {
    /// `none`: bytes without an envelope.
    pub kind: Option<&'a str>,
    pub lane: Option<&'a str>,
    pub app: Option<&'a str>,
    pub reason: Option<&'a str>,
    /// Archived not longer ago than this.
    pub since: Option<Duration>,
    pub state: Option<LetterState>,
}

macro_rules! find {
    ($order:literal) => {
        select_letters!(
            "substr(raw, 1, 0)",
            "FROM dead_letter, clock
            WHERE ($1 IS NULL OR COALESCE(kind, 'none') = $1) AND ($2 IS NULL OR lane = $2)
                AND ($3 IS NULL OR app = $3) AND ($4 IS NULL OR reason = $4)
                AND ($5 IS NULL OR archived_at >= now_ms - $5) AND ($6 IS NULL OR state = $6)
                AND seq > $7
            ORDER BY ",
            $order,
            " LIMIT $8"
        )
    };
}

impl Store {
    /// The newest letters first, without their bytes.
    pub async fn newest_dead_letters(
        &self,
        query: &LetterQuery<'_>,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        const SQL: &str = find!("seq DESC");
        let rows = self.fetch_all(SQL, &query.values(0, limit)).await?;
        StoredLetter::rows(rows)
    }

    /// The oldest letters first whose numbers are higher than `after`, without their bytes.
    pub async fn dead_letters_after(
        &self,
        query: &LetterQuery<'_>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        const SQL: &str = find!("seq");
        let rows = self.fetch_all(SQL, &query.values(after, limit)).await?;
        StoredLetter::rows(rows)
    }
}

impl LetterQuery<'_> {
    fn values(&self, after: i64, limit: u32) -> [Value<'_>; 8] {
        let since = self
            .since
            .map(|since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        *values![
            self.kind,
            self.lane,
            self.app,
            self.reason,
            since,
            self.state.map(LetterState::as_str),
            after,
            limit
        ]
    }
}
