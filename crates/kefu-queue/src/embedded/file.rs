use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use kefu_settings::{Unusable, absolute, tighten};
use tracing::warn;

use super::stock::Stock;
use crate::QueueError;

/// The layout this code reads; a newer file is refused.
const SCHEMA_VERSION: i64 = 1;

/// `seq` is the order within a queue. `step` and `ready_at` are set while a message waits in a retry step,
/// `attempt` where the body cannot carry it; the last four tell a dead letter's story.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS message (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        queue      TEXT    NOT NULL,
        step       INTEGER,
        ready_at   INTEGER,
        leased     INTEGER NOT NULL DEFAULT 0,
        deliveries INTEGER NOT NULL DEFAULT 0,
        body       BLOB    NOT NULL,
        attempt    INTEGER,
        reason     TEXT,
        error      TEXT,
        lane       TEXT,
        dead_at    INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS message_order ON message (queue, step, leased, seq);
    CREATE INDEX IF NOT EXISTS message_waiting ON message (ready_at) WHERE step IS NOT NULL;
    PRAGMA user_version = 1;";

/// End of the name of the file that is locked.
const LOCK: &str = ".lock";

/// How long SQLite waits for somebody who looks into the file with another program.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The open database and the lock that keeps other processes out until this is dropped.
#[derive(Debug)]
pub(super) struct QueueFile {
    pub(super) path: PathBuf,
    pub(super) shown: String,
    pub(super) connection: SqliteConnection,
    pub(super) lock: File,
}

/// What to do about a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// A file after its writer: nobody else can have written to it yet.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(super) path: PathBuf,
    pub(super) stock: Stock,
    pub(super) _lock: File,
}

impl Closed {
    /// Removes the file with all that belongs to it, if nothing is left in it.
    ///
    /// The lock goes last: whoever finds the database must not find it unlocked.
    pub(crate) fn delete_if_empty(self) -> io::Result<bool> {
        if !self.stock.is_empty() {
            return Ok(false);
        }
        for ending in ["-wal", "-shm", "", LOCK] {
            match fs::remove_file(beside(&self.path, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
        }
        Ok(true)
    }
}

pub(super) async fn open(path: &Path, missing: Missing) -> Result<QueueFile, QueueError> {
    let shown = absolute(path).display().to_string();
    let lock = take_lock(path, &shown)?;
    for readable in tighten(path, &["-wal", "-shm", LOCK]) {
        warn!("{readable}");
    }
    if missing == Missing::Refuse && !path.exists() {
        let gone = Unusable::new("open", path, io::ErrorKind::NotFound.into());
        return Err(QueueError::File(gone));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(missing == Missing::Create)
        .journal_mode(SqliteJournalMode::Wal)
        // An answered callback survives power loss.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    // The engine says only that it could not; the system knows why.
    let failed = |reason: sqlx::Error| match Unusable::look(path).filter(|_| is_about_files(&reason)) {
        Some(unusable) => QueueError::File(unusable),
        None => QueueError::engine(&shown, &reason),
    };
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    if SCHEMA_VERSION < version {
        let reason =
            format!("{shown} was written by a newer version (layout {version}, known {SCHEMA_VERSION})");
        return Err(QueueError::url(reason));
    }
    sqlx::raw_sql(SCHEMA)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    Ok(QueueFile {
        path: path.to_owned(),
        shown,
        connection,
        lock,
    })
}

/// `sqlite:PATH` and `sqlite://PATH` mean the same file.
pub(crate) fn path(raw: &str) -> Result<PathBuf, QueueError> {
    let raw = raw.strip_prefix("//").unwrap_or(raw);
    if raw.is_empty() || raw.contains(['?', '\0']) || raw.starts_with(":memory:") {
        return Err(QueueError::url(
            "sqlite: must be followed by the path of a file, without options",
        ));
    }
    Ok(PathBuf::from(raw))
}

/// The kernel releases the lock on any exit of the process.
fn take_lock(path: &Path, shown: &str) -> Result<File, QueueError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .map_err(|error| QueueError::File(Unusable::new("create", folder, error)))?;
    }
    let beside = beside(path, LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| QueueError::File(Unusable::new("create", &beside, error)))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(QueueError::Locked {
            path: shown.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(QueueError::File(Unusable::new("lock", &beside, error))),
    }
}

/// SQLITE_READONLY, _IOERR and _CANTOPEN, whatever the higher bytes add (sqlite.org/rescode.html).
fn is_about_files(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let code: Option<i32> = code.and_then(|code| code.parse().ok());
    code.is_some_and(|code| matches!(code & 0xff, 8 | 10 | 14))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
