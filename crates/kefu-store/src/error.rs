use kefu_settings::SettingsError;
use thiserror::Error;

const URL: &str = "database.url";

/// Why the database did not do what was asked. No text in here holds a password or a customer's words.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It answers and will not serve us as we are set up: password, missing database, impossible setting.
    #[error(transparent)]
    Refused(#[from] SettingsError),
    /// There is no such file, and it is not for the caller to make it.
    #[error("no database at {0}")]
    Missing(String),
    /// The schema was made by a newer program.
    #[error(
        "the database schema has version {found}, this program knows only {known}: use the newer program"
    )]
    SchemaNewer { found: i64, known: i64 },
    /// It does not answer, or not in time; the same call may work later.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered and cannot take these values: a constraint, an encoding, a length.
    #[error("the database cannot take this")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered, and neither its state nor the values explain it: a column that is not there, a damaged index,
    /// a row no version of ours wrote.
    #[error("the database answered what was not expected")]
    Unexpected(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Trying again cannot help until a person changed something.
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// The setting to change, if trying again without it cannot help.
    pub fn refusal(&self) -> Option<SettingsError> {
        match self {
            StoreError::Refused(error) => Some(error.clone()),
            StoreError::Missing(_) | StoreError::SchemaNewer { .. } => {
                Some(SettingsError::new(URL, self.to_string()))
            }
            _ => None,
        }
    }

    /// A refusal for which `database.url` is the setting to change.
    pub(crate) fn url(problem: impl Into<String>) -> StoreError {
        StoreError::Refused(SettingsError::new(URL, problem))
    }

    /// No job's fault: wait for the database.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::Unavailable(_)) && !self.is_busy()
    }

    /// The rows are held by others for longer than a method waits: the same again a little later.
    pub fn is_busy(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Busy | Verdict::Contention))
    }

    /// Other values would do. Customers' messages are set aside on this word, so it is said only of what is known to
    /// be about values, never of what is merely unknown.
    pub fn is_data(&self) -> bool {
        matches!(self, StoreError::Data(_))
    }

    /// Two transactions were in each other's way and this one was given up: the same again will do.
    pub(crate) fn is_contention(&self) -> bool {
        self.verdict() == Some(Verdict::Contention)
    }

    /// What the database's own code says, if it answered with one that may pass.
    fn verdict(&self) -> Option<Verdict> {
        let StoreError::Unavailable(source) = self else {
            return None;
        };
        let error = source
            .downcast_ref::<sqlx::Error>()
            .and_then(sqlx::Error::as_database_error)?;
        Some(verdict(error))
    }

    /// A stored value that no version of ours wrote.
    pub(crate) fn unreadable(source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
        StoreError::Unexpected(Box::new(source))
    }

    pub(crate) fn closed() -> StoreError {
        StoreError::Unavailable("the store is closed".into())
    }

    pub(crate) fn timed_out(limit: std::time::Duration) -> StoreError {
        StoreError::Unavailable(Box::new(TimedOut(limit)))
    }

    /// A method took longer than it may: the database is away, or what was asked was too much.
    pub(crate) fn is_timed_out(&self) -> bool {
        matches!(self, StoreError::Unavailable(source) if source.is::<TimedOut>())
    }
}

#[derive(Debug, Error)]
#[error("no answer within {0:?}")]
struct TimedOut(std::time::Duration);

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::Database(database) => match verdict(&**database) {
                Verdict::Refused => StoreError::url(format!("the database refuses: {}", database.message())),
                Verdict::Contention | Verdict::Busy | Verdict::Away => {
                    StoreError::Unavailable(Box::new(error))
                }
                Verdict::Data => StoreError::Data(answer(&**database).into()),
                Verdict::Unexpected => StoreError::Unexpected(answer(&**database).into()),
            },
            sqlx::Error::Configuration(source) => {
                StoreError::url(format!("impossible database setting: {source}"))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => StoreError::Unavailable(Box::new(error)),
            sqlx::Error::Encode(_) => StoreError::Data(Box::new(error)),
            _ => StoreError::Unexpected(Box::new(error)),
        }
    }
}

/// The message only: the detail of PostgreSQL quotes the whole row.
fn answer(error: &(dyn sqlx::error::DatabaseError + 'static)) -> String {
    format!("{} ({})", error.message(), error.code().unwrap_or_default())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    Contention,
    Busy,
    Away,
    Data,
    Unexpected,
}

fn verdict(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Verdict {
    let code = error.code().unwrap_or_default();
    match error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        Some(_) => postgres_verdict(&code),
        None => sqlite_verdict(code.parse().unwrap_or(0)),
    }
}

/// SQLSTATE, PostgreSQL manual, appendix A.
fn postgres_verdict(code: &str) -> Verdict {
    match code {
        "40001" | "40P01" => Verdict::Contention,
        // A lock that was not had in time: another transaction is slow, the database is not away.
        "55P03" => Verdict::Busy,
        // Password, role, database, privilege.
        "28000" | "28P01" | "3D000" | "42501" => Verdict::Refused,
        // A statement's time limit, a transaction ended for idling, a server that became read-only.
        "57014" | "25P03" | "25006" => Verdict::Away,
        _ => match code.get(..2) {
            // Connection, resources, operator's intervention, the server's own disk.
            Some("08" | "53" | "57" | "58") => Verdict::Away,
            // A row twice in one statement, a value, a constraint, a limit such as that of an index row.
            Some("21" | "22" | "23" | "54") => Verdict::Data,
            _ => Verdict::Unexpected,
        },
    }
}

/// Primary result code: the low byte of the extended one (sqlite.org/rescode.html).
fn sqlite_verdict(code: i64) -> Verdict {
    match code & 0xff {
        // BUSY, LOCKED.
        5 | 6 => Verdict::Contention,
        // NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
        7 | 8 | 9 | 10 | 13 | 14 | 15 => Verdict::Away,
        // CORRUPT, NOTADB.
        11 | 26 => Verdict::Refused,
        // TOOBIG, CONSTRAINT, MISMATCH. RANGE is not one: it is about a parameter's number, not its value.
        18..=20 => Verdict::Data,
        _ => Verdict::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        assert_eq!(postgres_verdict("40P01"), Verdict::Contention);
        assert_eq!(postgres_verdict("28P01"), Verdict::Refused);
        assert_eq!(postgres_verdict("57P01"), Verdict::Away);
        // SQLITE_BUSY_SNAPSHOT, SQLITE_READONLY_DBMOVED.
        assert_eq!(sqlite_verdict(517), Verdict::Contention);
        assert_eq!(sqlite_verdict(1032), Verdict::Away);
    }

    #[test]
    fn only_what_is_about_values_is_data() {
        for code in ["21000", "22021", "22P05", "23502", "23514", "54000"] {
            assert_eq!(postgres_verdict(code), Verdict::Data, "{code}");
        }
        for code in [
            "0A000", "25P02", "42703", "42P01", "55000", "P0001", "XX000", "XX002", "", "é",
        ] {
            assert_eq!(postgres_verdict(code), Verdict::Unexpected, "{code}");
        }
        // SQLITE_TOOBIG, SQLITE_CONSTRAINT_TRIGGER, SQLITE_MISMATCH.
        for code in [18, 1811, 20] {
            assert_eq!(sqlite_verdict(code), Verdict::Data, "{code}");
        }
        // None, SQLITE_ERROR (no such table), _INTERNAL, _SCHEMA, _MISUSE, _AUTH, _RANGE, an unknown one.
        for code in [0, 1, 2, 17, 21, 23, 25, 200] {
            assert_eq!(sqlite_verdict(code), Verdict::Unexpected, "{code}");
        }
    }

    #[test]
    fn what_the_driver_cannot_send_is_data_and_what_it_cannot_read_is_not() {
        assert!(StoreError::from(sqlx::Error::Encode("long".into())).is_data());
        let unreadable = [
            sqlx::Error::Decode("null".into()),
            sqlx::Error::ColumnNotFound("text".to_owned()),
            sqlx::Error::RowNotFound,
        ];
        for error in unreadable.map(StoreError::from) {
            assert!(matches!(error, StoreError::Unexpected(_)), "{error:?}");
            assert!(!error.is_data() && !error.is_unavailable() && !error.is_busy() && !error.is_refusal());
        }
        assert!(!StoreError::unreadable(std::fmt::Error).is_data());
    }
}
