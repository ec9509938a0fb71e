use thiserror::Error;

/// Why the database did not do what was asked. No text in here holds a password or a customer's words.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It answers and will not serve us as we are set up: password, missing database, impossible setting.
    #[error("{0}")]
    Refused(String),
    /// The schema was made by a newer program.
    #[error(
        "the database schema has version {found}, this program knows only {known}: use the newer program"
    )]
    SchemaNewer { found: i64, known: i64 },
    /// It does not answer, or not in time; the same call may work later.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered and cannot do this: a constraint, an encoding, a row no version of ours wrote.
    #[error("the database cannot take or read this")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Trying again cannot help until a person changed something.
    pub fn is_refusal(&self) -> bool {
        matches!(self, StoreError::Refused(_) | StoreError::SchemaNewer { .. })
    }

    /// No job's fault: wait for the database.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::Unavailable(_)) && !self.is_busy()
    }

    /// The rows are held by others for longer than a method waits: the same again a little later.
    pub fn is_busy(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Busy | Verdict::Contention))
    }

    pub(crate) fn is_data(&self) -> bool {
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
        StoreError::Data(Box::new(source))
    }

    pub(crate) fn closed() -> StoreError {
        StoreError::Unavailable("the store is closed".into())
    }

    pub(crate) fn timed_out(limit: std::time::Duration) -> StoreError {
        StoreError::Unavailable(format!("no answer within {limit:?}").into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::Database(database) => match verdict(&**database) {
                Verdict::Refused => {
                    StoreError::Refused(format!("the database refuses: {}", database.message()))
                }
                Verdict::Contention | Verdict::Busy | Verdict::Away => {
                    StoreError::Unavailable(Box::new(error))
                }
                // The message only: the detail of PostgreSQL quotes the whole row.
                Verdict::Data => {
                    let code = database.code().unwrap_or_default();
                    StoreError::Data(format!("{} ({code})", database.message()).into())
                }
            },
            sqlx::Error::Configuration(source) => {
                StoreError::Refused(format!("impossible database setting: {source}"))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => StoreError::Unavailable(Box::new(error)),
            _ => StoreError::Data(Box::new(error)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    Contention,
    Busy,
    Away,
    Data,
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
        // Connection, resources, operator's intervention, the server's own disk.
        _ if ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Verdict::Away
        }
        _ => Verdict::Data,
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
        _ => Verdict::Data,
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
        assert_eq!(postgres_verdict("22021"), Verdict::Data);
        // SQLITE_BUSY_SNAPSHOT, SQLITE_CONSTRAINT_TRIGGER.
        assert_eq!(sqlite_verdict(517), Verdict::Contention);
        assert_eq!(sqlite_verdict(1811), Verdict::Data);
    }
}
