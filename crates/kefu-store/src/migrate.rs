use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kefu_settings::Unusable;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Connection, PgConnection, PgPool, SqlitePool};
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::sql::Engine;
use crate::{Store, StoreError};

static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// Longest wait for another process's migration, and longest migration of our own.
const MIGRATE_MAX: Duration = Duration::from_secs(120);

/// End of the name of the file that is locked while a SQLite database is migrated.
pub(crate) const LOCK: &str = ".migrate.lock";

/// How often the lock file is tried while another process migrates.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// PostgreSQL: longest wait for a table that others hold, such as a backup. Whoever comes after it waits as well, the
/// workers too, so it is well below their own `lock_timeout`.
const TABLE_WAIT_MAX: Duration = Duration::from_millis(500);

/// Before the table is asked for again: workers have it to themselves meanwhile.
const TABLE_RETRY: Duration = Duration::from_secs(1);

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Version before, 0 for an empty database.
    pub from: i64,
    pub to: i64,
    /// Versions applied since this call began, in order; empty when the schema was up to date.
    pub applied: Vec<i64>,
}

impl Store {
    /// Brings the schema to this program's version, under a lock: any number of processes may call it at once.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let migrated = async {
            match &self.engine {
                Engine::Postgres(pool) => migrate_postgres(pool).await,
                Engine::Sqlite(pool) => migrate_sqlite(pool).await,
            }
        };
        timeout(MIGRATE_MAX, migrated)
            .await
            .unwrap_or_else(|_| Err(StoreError::timed_out(MIGRATE_MAX)))
            .map_err(|error| self.explained(error))
    }

    /// Refuses a schema that is older or newer than this program.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let found = match self
            .fetch_optional::<(Option<i64>,)>("SELECT max(version) FROM _sqlx_migrations WHERE success", &[])
            .await
        {
            Ok(row) => row.and_then(|(version,)| version).unwrap_or(0),
            // No such table: never migrated.
            Err(StoreError::Unexpected(_)) => 0,
            Err(error) => return Err(error),
        };
        let known = known(self.migrator());
        if known < found {
            return Err(StoreError::SchemaNewer { found, known });
        }
        if found < known {
            return Err(StoreError::url(format!(
                "{}: the schema has version {found}, this program needs {known}: run `kefu migrate`",
                self.address
            )));
        }
        Ok(())
    }

    fn migrator(&self) -> &'static Migrator {
        match &self.engine {
            Engine::Postgres(_) => &POSTGRES,
            Engine::Sqlite(_) => &SQLITE,
        }
    }

    fn explained(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Data(source) | StoreError::Unexpected(source) => StoreError::url(format!(
                "{}: the schema cannot be migrated: {source}",
                self.address
            )),
            other => other,
        }
    }
}

fn known(migrator: &Migrator) -> i64 {
    migrator
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

/// Tries until nobody holds a table that has to be changed: a backup reads all of them for as long as it runs.
async fn migrate_postgres(pool: &PgPool) -> Result<Migrated, StoreError> {
    let asked = Instant::now();
    let mut told = false;
    let mut before = None;
    loop {
        match migrate_postgres_once(pool, &mut before).await {
            Err(error) if error.is_busy() && asked.elapsed() + TABLE_RETRY < MIGRATE_MAX => {
                if !std::mem::replace(&mut told, true) {
                    info!(
                        "migration waits for tables that others hold, such as a backup or another migration"
                    );
                }
            }
            ended => return ended,
        }
        sleep(TABLE_RETRY).await;
    }
}

/// On a connection of its own: a migration must not fall under the pool's time limits, and closing it gives the
/// advisory lock back whatever happened. The server itself ends what its client no longer waits for.
async fn migrate_postgres_once(pool: &PgPool, before: &mut Option<Vec<i64>>) -> Result<Migrated, StoreError> {
    let options = (*pool.connect_options()).clone().options([
        ("statement_timeout", MIGRATE_MAX.as_millis().to_string()),
        ("lock_timeout", TABLE_WAIT_MAX.as_millis().to_string()),
    ]);
    let mut connection = PgConnection::connect_with(&options).await?;
    let migrated = run(&POSTGRES, &mut connection, true, before).await;
    drop(connection.close().await);
    migrated
}

/// A lock file beside the database: SQLite's own lock is per transaction, and the first one makes the tables.
async fn migrate_sqlite(pool: &SqlitePool) -> Result<Migrated, StoreError> {
    let mut path = pool.connect_options().get_filename().as_os_str().to_owned();
    path.push(LOCK);
    let path = PathBuf::from(path);
    let taken = tokio::task::spawn_blocking(move || {
        lock_file(&path).map_err(|error| Unusable::new("lock", &path, error))
    });
    let lock = taken
        .await
        .map_err(|error| StoreError::Unavailable(error.into()))?
        .map_err(|unusable| StoreError::url(unusable.to_string()))?;
    let mut connection = pool.acquire().await?;
    let migrated = run(&SQLITE, &mut *connection, false, &mut None).await;
    drop(lock);
    migrated
}

fn lock_file(path: &std::path::Path) -> std::io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    let asked = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if asked.elapsed() < MIGRATE_MAX => std::thread::sleep(LOCK_POLL),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `before` is what the first look found: a try that failed may have applied some versions.
async fn run<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
    lock: bool,
    before: &mut Option<Vec<i64>>,
) -> Result<Migrated, StoreError> {
    let table = &migrator.table_name;
    if lock {
        // Taken here as well (it counts), so that nobody migrates between our look and our run.
        connection.lock().await.map_err(failed)?;
    }
    connection.ensure_migrations_table(table).await.map_err(failed)?;
    let versions: Vec<i64> = connection
        .list_applied_migrations(table)
        .await
        .map_err(failed)?
        .iter()
        .map(|migration| migration.version)
        .collect();
    let newest = |versions: &[i64]| versions.iter().copied().max().unwrap_or(0);
    let (found, known) = (newest(&versions), known(migrator));
    if known < found {
        return Err(StoreError::SchemaNewer { found, known });
    }
    let before = before.get_or_insert(versions);
    let from = newest(before);
    migrator
        .run_direct(None, connection, false)
        .await
        .map_err(failed)?;
    let applied = migrator
        .iter()
        .map(|migration| migration.version)
        .filter(|version| !before.contains(version))
        .collect();
    Ok(Migrated {
        from,
        to: known,
        applied,
    })
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => source.into(),
        other => StoreError::unreadable(other),
    }
}
