use sqlx::FromRow;

use crate::{Store, StoreError};

/// Numbers for metrics and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub owed_messages: u64,
    pub open_parts: u64,
    pub unknown_parts: u64,
    /// Rows whose `wake_at` has passed.
    pub due_rows: u64,
    pub events: u64,
    pub dead_letters: u64,
}

impl Store {
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        const SQL: &str = "
            SELECT
                (SELECT count(*) FROM message WHERE handled IS NULL) AS owed_messages,
                (SELECT count(*) FROM outbox WHERE status IN ('planned', 'sending')) AS open_parts,
                (SELECT count(*) FROM outbox WHERE status = 'unknown') AS unknown_parts,
                (SELECT count(*) FROM account WHERE wake_at <= now_ms)
                    + (SELECT count(*) FROM conversation WHERE wake_at <= now_ms) AS due_rows,
                (SELECT count(*) FROM app_event) AS events,
                (SELECT count(*) FROM dead_letter) AS dead_letters
            FROM clock";
        let row: Option<TotalsRow> = self.fetch_optional(SQL, &[]).await?;
        Ok(row.map(TotalsRow::totals).unwrap_or_default())
    }
}

#[derive(FromRow)]
struct TotalsRow {
    owed_messages: i64,
    open_parts: i64,
    unknown_parts: i64,
    due_rows: i64,
    events: i64,
    dead_letters: i64,
}

impl TotalsRow {
    fn totals(self) -> Totals {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Totals {
            owed_messages: count(self.owed_messages),
            open_parts: count(self.open_parts),
            unknown_parts: count(self.unknown_parts),
            due_rows: count(self.due_rows),
            events: count(self.events),
            dead_letters: count(self.dead_letters),
        }
    }
}
