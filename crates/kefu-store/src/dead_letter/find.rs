use super::{DeadLetterRow, LetterState, StoredLetter, letter_columns, select_letters};
use crate::listed::Moment;
use crate::sql::{Engine, values};
use crate::{Listed, Store, StoreError};

/// Which letters are meant. What is `None` does not narrow.
#[derive(Clone, Copy, Debug, Default)]
pub struct LetterQuery<'a> {
    /// `none`: bytes without an envelope.
    pub kind: Option<&'a str>,
    pub lane: Option<&'a str>,
    pub app: Option<&'a str>,
    pub reason: Option<&'a str>,
    /// Archived at this moment or later.
    pub since: Option<Moment>,
    pub state: Option<LetterState>,
    /// Whom the job is about, as its payload says.
    pub account: Option<&'a str>,
    pub customer: Option<&'a str>,
}

/// Letters of the filter with numbers between `$10` and `$11`; `$contains` is how an engine finds bytes in bytes.
macro_rules! find {
    ($order:literal, $account:literal, $customer:literal) => {
        select_letters!(
            // Jobs about one account or conversation are short, and whom they are about stands nowhere else.
            "CASE WHEN kind IN ('kf.sync', 'kf.turn') AND length(raw) <= 4096
                THEN raw ELSE substr(raw, 1, 0) END",
            "FROM dead_letter, clock
            WHERE ($1 IS NULL OR COALESCE(kind, 'none') = $1) AND ($2 IS NULL OR lane = $2)
                AND ($3 IS NULL OR app = $3) AND ($4 IS NULL OR reason = $4)
                AND ($5 IS NULL OR archived_at >= $5 + now_ms * $6) AND ($7 IS NULL OR state = $7)
                AND ($8 IS NULL OR ",
            $account,
            " > 0) AND ($9 IS NULL OR ",
            $customer,
            " > 0) AND seq > $10 AND seq < $11
            ORDER BY ",
            $order,
            " LIMIT $12"
        )
    };
}

/// The same for PostgreSQL and for SQLite.
macro_rules! find_on_either {
    ($order:literal) => {
        (
            find!(
                $order,
                "position(convert_to($8, 'UTF8') in raw)",
                "position(convert_to($9, 'UTF8') in raw)"
            ),
            find!(
                $order,
                "instr(raw, CAST($8 AS BLOB))",
                "instr(raw, CAST($9 AS BLOB))"
            ),
        )
    };
}

impl Store {
    /// The newest letters first whose numbers are lower than `before`. Their bytes are left out, but for pulls and
    /// turns: those are short, and tell account and customer.
    pub async fn newest_dead_letters(
        &self,
        query: &LetterQuery<'_>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetterRow>, StoreError> {
        const FLOOR: &str = "SELECT seq FROM dead_letter WHERE seq < $1 ORDER BY seq DESC LIMIT 1 OFFSET $2";
        let before = before.unwrap_or(i64::MAX);
        let floor = self.floor(FLOOR, before).await?;
        let above = floor.map_or(0, |floor| floor - 1);
        let rows = self
            .find(
                find_on_either!("seq DESC"),
                query,
                (above, before),
                limit.saturating_add(1),
            )
            .await?;
        Ok(Listed::new(rows, limit, |letter| letter.seq, floor))
    }

    /// The oldest letters first whose numbers are higher than `after`, with as few bytes.
    pub async fn dead_letters_after(
        &self,
        query: &LetterQuery<'_>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.find(find_on_either!("seq"), query, (after, i64::MAX), limit)
            .await
    }

    /// Whether there ever was a letter of this kind.
    pub async fn has_letter_of_kind(&self, kind: &str) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT seq FROM dead_letter WHERE kind = $1 LIMIT 1";
        let row: Option<(i64,)> = self.fetch_optional(SQL, values![kind]).await?;
        Ok(row.is_some())
    }

    async fn find(
        &self,
        (postgres, sqlite): (&'static str, &'static str),
        query: &LetterQuery<'_>,
        (above, below): (i64, i64),
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        let sql = match &self.engine {
            Engine::Postgres(_) => postgres,
            Engine::Sqlite(_) => sqlite,
        };
        let (since, since_now) = Moment::values(query.since);
        let account = query.account.map(|account| field("account", account));
        let customer = query.customer.map(|customer| field("customer", customer));
        let values = values![
            query.kind,
            query.lane,
            query.app,
            query.reason,
            since,
            since_now,
            query.state.map(LetterState::as_str),
            account.as_deref(),
            customer.as_deref(),
            above,
            below,
            limit
        ];
        StoredLetter::rows(self.fetch_all(sql, values).await?)
    }
}

/// A field of a payload as jobs are written. Quotes inside of a text are escaped there, so what looks like a field is
/// one. Ids hold nothing that would be escaped; what does is no id and is found nowhere.
fn field(name: &str, value: &str) -> String {
    format!("\"{name}\":\"{value}\"")
}
