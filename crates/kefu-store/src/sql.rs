//! The only file that knows there are two engines: one [`Session`] runs the same SQL on either.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, Postgres, SqlSafeStr, Sqlite, SqlitePool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::StoreError;

/// Longest time for one statement: more than the 5 s after which PostgreSQL ends it itself and SQLite gives up waiting
/// for another writer, so what takes longer is a database that does not answer at all.
const STATEMENT_MAX: Duration = Duration::from_secs(6);

#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// One place a connection. Callers queue here, with the time of their method; so whoever has a place and gets no
/// connection from the pool knows that the database does not give one, not that others were before him.
pub(crate) type Places = Arc<Semaphore>;

/// A bound value: the types both engines store alike.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Flag(bool),
    Bytes(&'a [u8]),
}

/// A row type that reads from either engine; `#[derive(FromRow)]` and tuples are.
pub(crate) trait Record:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}

impl<T> Record for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

/// Values in the order of `$1, $2, …`.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! on {
    ($connection:expr, $live:ident => $body:expr) => {
        match $connection {
            Connection::Postgres($live) => $body,
            Connection::Sqlite($live) => $body,
        }
    };
}

macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match *value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Flag(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// A connection taken from the pool for one use case.
///
/// Dropped in the middle of anything (a caller that went away, a time limit) the connection is closed instead
/// of going back: the next user could find an answer, or a transaction, that is not its own.
pub(crate) struct Session {
    connection: Connection,
    /// Between `begin` and its end.
    in_transaction: bool,
    /// A statement has not been answered.
    pending: bool,
    _place: OwnedSemaphorePermit,
}

impl Session {
    pub(crate) async fn open(engine: &Engine, places: &Places) -> Result<Session, StoreError> {
        let place = Arc::clone(places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::closed())?;
        let connection = match engine {
            Engine::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            Engine::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
        };
        Ok(Session {
            connection,
            in_transaction: false,
            pending: false,
            _place: place,
        })
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.connection, Connection::Postgres(_))
    }

    /// Takes a connection and begins a transaction.
    pub(crate) async fn begin(engine: &Engine, places: &Places) -> Result<Session, StoreError> {
        let mut session = Session::open(engine, places).await?;
        session.begin_transaction().await?;
        Ok(session)
    }

    /// Commits what ended well, rolls back what did not.
    pub(crate) async fn end<T>(mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.commit().await?,
            // A failed rollback closes the connection, which rolls back as well.
            Err(error) if !error.is_unavailable() => self.rollback().await?,
            Err(_) => (),
        }
        outcome
    }

    /// SQLite: a transaction that reads first and writes later fails at once when another process wrote in
    /// between, whatever its busy timeout; one that takes the write lock at its start waits.
    async fn begin_transaction(&mut self) -> Result<(), StoreError> {
        let begin = if self.is_postgres() {
            "BEGIN"
        } else {
            "BEGIN IMMEDIATE"
        };
        self.in_transaction = true;
        self.command(begin).await
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.command("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.command("ROLLBACK").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// A statement without values or result.
    pub(crate) async fn command(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.pending = true;
        let result = on!(&mut self.connection, live => {
            within(sqlx::raw_sql(sql).execute(&mut **live)).await.map(|_| ())
        });
        self.answered(result)
    }

    /// The rows changed.
    pub(crate) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        self.tell(sql.as_str(), values);
        self.pending = true;
        let result = on!(&mut self.connection, live => {
            within(bound!(sqlx::query(sql), values).execute(&mut **live)).await.map(|done| done.rows_affected())
        });
        self.answered(result)
    }

    pub(crate) async fn fetch_all<T: Record>(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        let sql = sql.into_sql_str();
        self.tell(sql.as_str(), values);
        self.pending = true;
        let result = on!(&mut self.connection, live => {
            within(bound!(sqlx::query_as::<_, T>(sql), values).fetch_all(&mut **live)).await
        });
        self.answered(result)
    }

    pub(crate) async fn fetch_optional<T: Record>(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        // Not sqlx's `fetch_optional`: a RETURNING statement must run to its end on both engines.
        Ok(self.fetch_all(sql, values).await?.into_iter().next())
    }

    /// The statement and the types of its values, never the values: those are of customers. Tests ask both engines how
    /// they would run it on large tables.
    fn tell(&self, sql: &str, values: &[Value<'_>]) {
        let of_type = |value: &Value<'_>| match value {
            Value::Int(_) => "BIGINT",
            Value::Text(_) => "TEXT",
            Value::Flag(_) => "BOOLEAN",
            Value::Bytes(_) => "BYTEA",
        };
        tracing::trace!(
            target: "kefu_store::sql",
            engine = if self.is_postgres() { "postgres" } else { "sqlite" },
            types = values.iter().map(of_type).collect::<Vec<_>>().join(","),
            sql
        );
    }

    fn answered<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        self.pending = result.as_ref().is_err_and(is_spent);
        Ok(result?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.pending || self.in_transaction {
            on!(&mut self.connection, live => live.close_on_drop());
        }
    }
}

/// Whether the connection is of no further use: it is lost, or its server is going down or has become one that takes
/// no writes, while a new connection may reach another.
fn is_spent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| SPENT.contains(&&*code)),
        _ => false,
    }
}

/// SQLSTATE: read-only transaction; shut down by its operator, after a crash, or not yet up; database dropped.
const SPENT: [&str; 5] = ["25006", "57P01", "57P02", "57P03", "57P04"];

async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    // Like a lost connection: the answer may still come, so nobody else may use this one.
    timeout(STATEMENT_MAX, statement)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// SQL put together from our own pieces; nothing from outside may ever be part of it.
pub(crate) fn assembled(sql: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql)
}

/// `$from, …` with `count` placeholders.
pub(crate) fn placeholders(from: usize, count: usize) -> String {
    let list: Vec<String> = (from..from + count).map(|number| format!("${number}")).collect();
    list.join(", ")
}

/// `($1, …), (…)`: rows of `width` placeholders each.
pub(crate) fn placeholder_rows(rows: usize, width: usize) -> String {
    let list: Vec<String> = (0..rows)
        .map(|row| format!("({})", placeholders(row * width + 1, width)))
        .collect();
    list.join(", ")
}

/// Cuts a list into runs whose lengths are powers of two, at most `longest`: few different statements, so that
/// each is prepared once a connection.
pub(crate) fn runs<T>(mut list: &[T], longest: usize) -> Vec<&[T]> {
    let mut runs = Vec::new();
    while !list.is_empty() {
        let most = list.len().min(longest);
        let length = 1 << most.ilog2();
        let (run, rest) = list.split_at(length);
        runs.push(run);
        list = rest;
    }
    runs
}

/// Cuts a list into one run for each `longest`, filled up to a power of two by repeating the last item: a statement a
/// run and few different ones. Only for statements in which a repeated row changes nothing.
pub(crate) fn filled<T>(list: &[T], longest: usize) -> Vec<Vec<&T>> {
    list.chunks(longest)
        .map(|run| {
            let repeated = run.last().into_iter().cycle();
            run.iter()
                .chain(repeated)
                .take(run.len().next_power_of_two())
                .collect()
        })
        .collect()
}

/// A counter of ours: never negative, never near the limit.
pub(crate) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX })
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(Some(value))
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Value::Int(Some(i64::from(value)))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Value::Int(value)
    }
}

impl From<kefu_domain::Millis> for Value<'_> {
    fn from(value: kefu_domain::Millis) -> Self {
        Value::Int(Some(value.0))
    }
}

impl From<Option<kefu_domain::Millis>> for Value<'_> {
    fn from(value: Option<kefu_domain::Millis>) -> Self {
        Value::Int(value.map(|millis| millis.0))
    }
}

impl From<std::time::Duration> for Value<'_> {
    fn from(value: std::time::Duration) -> Self {
        Value::Int(Some(i64::try_from(value.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Flag(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(Some(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Text(Some(value))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Bytes(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_powers_of_two_and_keep_the_order() {
        let list: Vec<u32> = (0..83).collect();
        let lengths: Vec<usize> = runs(&list, 32).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [32, 32, 16, 2, 1]);
        assert_eq!(runs(&list, 32).concat(), list);
    }

    #[test]
    fn rows_of_placeholders_count_on() {
        assert_eq!(placeholder_rows(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }
}
