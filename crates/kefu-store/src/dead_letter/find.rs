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

/// The bytes of jobs about one account or conversation: they are short, and whom they are about stands nowhere else. Of
/// any other letter nothing is read.
macro_rules! short {
    () => {
        "CASE WHEN kind IN ('kf.sync', 'kf.turn') AND length(raw) <= 4096
            THEN raw ELSE substr(raw, 1, 0) END"
    };
}

/// Whether a field's text is in the bytes, as an engine finds bytes in bytes.
macro_rules! says {
    (postgres, $field:literal) => {
        concat!("position(convert_to(", $field, ", 'UTF8') in ", short!(), ") > 0")
    };
    (sqlite, $field:literal) => {
        concat!("instr(", short!(), ", CAST(", $field, " AS BLOB)) > 0")
    };
}

/// Letters of the filter with numbers between `$10` and `$11`.
macro_rules! find {
    ($engine:ident, $order:literal) => {
        select_letters!(
            short!(),
            "FROM dead_letter, clock
            WHERE ($1 IS NULL OR COALESCE(kind, 'none') = $1) AND ($2 IS NULL OR lane = $2)
                AND ($3 IS NULL OR app = $3) AND ($4 IS NULL OR reason = $4)
                AND ($5 IS NULL OR archived_at >= $5 + now_ms * $6) AND ($7 IS NULL OR state = $7)
                AND ($8 IS NULL OR ",
            says!($engine, "$8"),
            ") AND ($9 IS NULL OR ",
            says!($engine, "$9"),
            ") AND seq > $10 AND seq < $11
            ORDER BY ",
            $order,
            " LIMIT $12"
        )
    };
}

/// The same for PostgreSQL and for SQLite.
macro_rules! find_on_either {
    ($order:literal) => {
        (find!(postgres, $order), find!(sqlite, $order))
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
        let floor = self.bound(FLOOR, before).await?;
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
    ) -> Result<Listed<DeadLetterRow>, StoreError> {
        const CEILING: &str = "SELECT seq FROM dead_letter WHERE seq > $1 ORDER BY seq LIMIT 1 OFFSET $2";
        let ceiling = self.bound(CEILING, after).await?;
        let below = ceiling.map_or(i64::MAX, |ceiling| ceiling + 1);
        let rows = self
            .find(
                find_on_either!("seq"),
                query,
                (after, below),
                limit.saturating_add(1),
            )
            .await?;
        Ok(Listed::new(rows, limit, |letter| letter.seq, ceiling))
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
