use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kefu_settings::{AsUser, SettingsError, Unusable, absolute, is_this_machine, no_file, tighten};
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlitePool};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use super::{ACQUIRE_MAX, METHOD_MAX};
use crate::migrate;
use crate::page::Pace;
use crate::sql::Engine;
use crate::{DatabaseSettings, Store, StoreError};

/// Most connections the setting may ask for; a server's own limit is usually 100.
const POOL_MAX: u32 = 1000;

/// Prepared statements kept per connection; runs of several lengths make more than sqlx's default of 100.
const STATEMENTS_MAX: usize = 256;

/// PostgreSQL ends what takes longer, so that a lost client never holds a row for long.
/// Every statement of ours is a look-up by key whose best plan does not depend on the values: planned once a
/// connection, not at every call.
const SESSION: [(&str, &str); 5] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// A connection that rested longer is asked whether it still lives before it is used.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// A connection is not used for longer: after a move of the server the last of them is gone by then.
const LIFETIME_MAX: Duration = Duration::from_secs(600);

/// How long a SQLite statement waits for another process's write.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Tries to switch to WAL: while another process does the same, SQLite says busy at once.
const OPEN_TRIES: u32 = 20;

impl Store {
    /// Opens the database and tries one connection. Does not migrate.
    ///
    /// A refusal names what to change; `Unavailable` means that nobody answered, which may pass.
    pub async fn open(settings: &DatabaseSettings) -> Result<Store, StoreError> {
        Store::check(settings)?;
        let url = settings.url.expose_secret();
        match sqlite_path(url) {
            Some(path) => open_sqlite(path, true).await,
            None => open_postgres(url, settings.pool).await,
        }
    }

    /// The same for who only looks: neither folder nor file is made, and a missing file is [`StoreError::Missing`].
    pub async fn open_existing(settings: &DatabaseSettings) -> Result<Store, StoreError> {
        Store::check(settings)?;
        let url = settings.url.expose_secret();
        let Some(path) = sqlite_path(url) else {
            return open_postgres(url, settings.pool).await;
        };
        let file = std::path::absolute(path).unwrap_or_else(|_| path.into());
        // Where even that cannot be told, opening says why.
        if tokio::fs::try_exists(&file).await.is_ok_and(|exists| !exists) {
            return Err(StoreError::Missing(file.display().to_string()));
        }
        open_sqlite(path, false).await
    }

    /// Whether the settings are possible; nothing is opened.
    pub fn check(settings: &DatabaseSettings) -> Result<(), SettingsError> {
        Store::problems(settings).into_iter().next().map_or(Ok(()), Err)
    }

    /// What may be right and is probably not; nothing is opened.
    pub fn warnings(settings: &DatabaseSettings) -> Option<SettingsError> {
        let problem = "is on another machine and says nothing of TLS, so its certificate is not looked at, and where \
            the server has none passwords and messages go there in the clear; add ?sslmode=verify-full, or \
            ?sslmode=disable if the way there is safe";
        is_open(settings.url.expose_secret()).then(|| SettingsError::new("database.url", problem))
    }

    /// Everything that is wrong with the settings; nothing is opened.
    pub fn problems(settings: &DatabaseSettings) -> Vec<SettingsError> {
        let mut found = Vec::new();
        if !(1..=POOL_MAX).contains(&settings.pool) {
            let problem = format!("must be 1 to {POOL_MAX}, got {}", settings.pool);
            found.push(SettingsError::new("database.pool", problem));
        }
        let engine = engine(settings.url.expose_secret());
        found.extend(engine.err().and_then(|error| error.refusal()));
        found
    }
}

/// PostgreSQL elsewhere, and nothing said about TLS: it is then tried, and done without where the server has none.
fn is_open(url: &str) -> bool {
    if sqlite_path(url).is_some() || url.contains("sslmode=") || url.contains("ssl-mode=") {
        return false;
    }
    // PGSSLMODE is heard, too.
    postgres_options(url).is_ok_and(|options| {
        matches!(options.get_ssl_mode(), PgSslMode::Prefer) && !is_this_machine(options.get_host())
    })
}

fn engine(url: &str) -> Result<(), StoreError> {
    match sqlite_path(url) {
        Some(path) if path.is_empty() || path.starts_with(':') => {
            Err(StoreError::url("must name a file: sqlite:PATH"))
        }
        Some(path) => no_file(Path::new(path)).map_or(Ok(()), |problem| Err(StoreError::url(problem))),
        None if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            postgres_options(url).map(drop)
        }
        None => Err(StoreError::url("must start with postgres:// or sqlite:")),
    }
}

fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}

pub(crate) fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The parser's own words may quote the URL, hence the password.
    let options: PgConnectOptions = url
        .parse()
        .map_err(|_| StoreError::url("is not postgres://user:password@host:port/name"))?;
    Ok(options
        .application_name("kefu")
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging())
}

async fn open_postgres(url: &str, pool: u32) -> Result<Store, StoreError> {
    let options = postgres_options(url)?.options(SESSION);
    let address = format!(
        "postgres://{}@{}:{}/{}",
        options.get_username(),
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or(options.get_username()),
    );
    // Not through the pool: it would hide the reason behind its own time limit.
    match timeout(ACQUIRE_MAX, options.connect()).await {
        Ok(Ok(connection)) => drop(connection.close().await),
        Ok(Err(error)) => return Err(named(&address, error)),
        Err(_) => return Err(StoreError::timed_out(ACQUIRE_MAX)),
    }
    let places = Arc::new(Semaphore::new(pool as usize));
    let pool = PgPoolOptions::new()
        .max_connections(pool)
        .acquire_timeout(ACQUIRE_MAX)
        .max_lifetime(LIFETIME_MAX)
        // A line for each wait would fill the log under load; the limit is what counts.
        .acquire_slow_threshold(ACQUIRE_MAX)
        .test_before_acquire(false)
        .before_acquire(|connection, rest| {
            Box::pin(async move {
                if IDLE_TRUSTED < rest.idle_for {
                    timeout(IDLE_TRUSTED, connection.ping())
                        .await
                        .map_err(|_| sqlx::Error::PoolTimedOut)??;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    Ok(Store {
        engine: Engine::Postgres(pool),
        places,
        address,
        pace: Pace::new(),
    })
}

/// One connection: SQLite has one writer anyway, its reads take microseconds, and the pool's queue is fair
/// where SQLite's own busy waiting is a lottery.
async fn open_sqlite(path: &str, create: bool) -> Result<Store, StoreError> {
    let file = absolute(Path::new(path));
    let address = format!("sqlite:{}", file.display());
    if create && let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| StoreError::url(Unusable::new("create", folder, error).to_string()))?;
    }
    for readable in tighten(&file, &["-wal", "-shm", migrate::LOCK]) {
        warn!("{readable}");
    }
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose the last commits at a power failure, and those were acked to the queue.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_MAX)
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        // Waiting for the connection is waiting for the write lock: the method's own limit ends it.
        .acquire_timeout(METHOD_MAX)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options);
    first_connection(&pool, &file, &address).await?;
    Ok(Store {
        engine: Engine::Sqlite(pool),
        places: Arc::new(Semaphore::new(1)),
        address,
        pace: Pace::new(),
    })
}

async fn first_connection(pool: &SqlitePool, file: &Path, address: &str) -> Result<(), StoreError> {
    let mut tries = OPEN_TRIES;
    loop {
        let error = match pool.acquire().await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if let Some(why) = about_files(&error, file) {
            return Err(StoreError::url(format!("{address} cannot be opened: {why}")));
        }
        let error = named(address, error);
        tries -= 1;
        if tries == 0 || !error.is_contention() {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// SQLITE_READONLY, _IOERR and _CANTOPEN, whatever the higher bytes add (sqlite.org/rescode.html).
///
/// The engine says only that it could not; mostly the system knows why. An input or output error that it cannot explain
/// may pass.
fn about_files(error: &sqlx::Error, file: &Path) -> Option<String> {
    let database = error.as_database_error()?;
    let code: i32 = database.code()?.parse().ok()?;
    let unusable = || Unusable::look(file).map(|unusable| unusable.to_string());
    match code & 0xff {
        8 | 14 => Some(unusable().unwrap_or_else(|| format!("{}{AsUser}", database.message()))),
        10 => unusable(),
        _ => None,
    }
}

fn named(address: &str, error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        StoreError::Refused(error) => StoreError::url(format!("{address}: {}", error.problem())),
        other => other,
    }
}
