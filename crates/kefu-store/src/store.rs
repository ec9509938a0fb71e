mod open;

pub(crate) use open::postgres_options;

use std::time::{Duration, Instant};

use sqlx::SqlSafeStr;
use tokio::time::timeout;

use crate::StoreError;
use crate::page::Pace;
use crate::sql::{Engine, Places, Record, Session, Value};

/// Longest time one method may take, waiting for a connection included.
pub(crate) const METHOD_MAX: Duration = Duration::from_secs(10);

/// Longest wait for a connection by whoever has a place: after that the database is away.
pub(crate) const ACQUIRE_MAX: Duration = Duration::from_secs(3);

/// How often a use case is run again after the database gave it up for another one.
pub(crate) const CONTENTION_RETRIES: u32 = 3;

/// Repeats what fell to contention, within the time of one method.
///
/// A macro and not a function over `AsyncFn`: the compiler cannot prove the future of such a function to be `Send`.
macro_rules! repeated {
    ($body:expr) => {
        $crate::store::limited(async {
            let mut left = $crate::store::CONTENTION_RETRIES;
            loop {
                let outcome = async { $body }.await;
                match outcome {
                    Err(error) if 0 < left && $crate::StoreError::is_contention(&error) => left -= 1,
                    outcome => break outcome,
                }
            }
        })
        .await
    };
}
pub(crate) use repeated;

/// Runs one use case as one transaction: committed when it ends well, else rolled back.
///
/// It may run several times, so it must not change anything outside the database.
macro_rules! transact {
    ($store:expr, $session:ident => $body:expr) => {
        $crate::store::repeated!({
            let mut session = $crate::sql::Session::begin(&$store.engine, &$store.places).await?;
            let outcome = {
                let $session = &mut session;
                async { $body }.await
            };
            session.end(outcome).await
        })
    };
}
pub(crate) use transact;

/// The database, whichever engine it runs on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) engine: Engine,
    pub(crate) places: Places,
    /// The URL without its password, for error lines.
    pub(crate) address: String,
    pub(crate) pace: Pace,
}

/// How a release of a lease ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released<L> {
    /// Nothing was left to do; the lease is given back.
    Free,
    /// Something came in since the work was read: still ours, go round again.
    Again(L),
    /// Somebody else holds it by now.
    Lost,
}

impl Store {
    /// How long one empty question takes.
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        let asked = Instant::now();
        self.fetch_optional::<(i64,)>("SELECT now_ms FROM clock", &[])
            .await?;
        Ok(asked.elapsed())
    }

    /// Whether the database takes writes: after a fail-over, or on a full disk, one may answer and take none.
    pub async fn probe(&self) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO probe (id, at) SELECT 1, now_ms FROM clock WHERE true
            ON CONFLICT (id) DO UPDATE SET at = excluded.at";
        self.execute(SQL, &[]).await.map(drop)
    }

    /// Waits for connections in use, at most 10 s, then closes all.
    pub async fn close(&self) {
        let closed = match &self.engine {
            Engine::Postgres(pool) => timeout(METHOD_MAX, pool.close()).await,
            Engine::Sqlite(pool) => timeout(METHOD_MAX, pool.close()).await,
        };
        if closed.is_err() {
            tracing::warn!("database connections were still in use when the store closed");
        }
    }

    /// One statement that is a transaction of its own. The rows changed.
    pub(crate) async fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        repeated!(
            Session::open(&self.engine, &self.places)
                .await?
                .execute(sql, values)
                .await
        )
    }

    /// One statement that is a transaction of its own; its first row.
    pub(crate) async fn fetch_optional<T: Record>(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        Ok(self.fetch_all(sql, values).await?.into_iter().next())
    }

    pub(crate) async fn fetch_all<T: Record>(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        repeated!({
            let sql = sql.into_sql_str();
            Session::open(&self.engine, &self.places)
                .await?
                .fetch_all(sql, values)
                .await
        })
    }
}

/// Ends what takes longer than one method may.
pub(crate) async fn limited<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(METHOD_MAX, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::timed_out(METHOD_MAX)))
}
