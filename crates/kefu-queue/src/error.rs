use std::time::Duration;

use kefu_settings::{SettingsError, Unusable};
use thiserror::Error;

use crate::BODY_BYTES_MAX;

/// Why the queue could not be opened, asked or kept running. One line, without passwords.
#[derive(Debug, Error)]
pub enum QueueError {
    /// A setting that can never work, a broker that answered and said no, a file that is no queue of ours.
    #[error(transparent)]
    Refused(#[from] SettingsError),
    /// Another process holds the file.
    #[error("queue.url: {}", locked(path))]
    Locked { path: String },
    #[error("queue.url: {0}")]
    File(Unusable),
    /// The broker or the writer does not answer; it may later.
    #[error("queue is not available: {reason}")]
    Unavailable { reason: String },
    #[error("queue did not answer within {after:?}")]
    TimedOut { after: Duration },
}

impl QueueError {
    /// Whether trying again without changing something is pointless.
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// The setting to change, if trying again without it is pointless.
    pub fn refusal(&self) -> Option<SettingsError> {
        match self {
            QueueError::Refused(error) => Some(error.clone()),
            QueueError::Locked { path } => Some(SettingsError::new(URL, locked(path))),
            QueueError::File(unusable) => Some(SettingsError::new(URL, unusable.to_string())),
            QueueError::Unavailable { .. } | QueueError::TimedOut { .. } => None,
        }
    }

    /// A refusal for which `queue.url` is the setting to change.
    pub(crate) fn url(problem: impl Into<String>) -> QueueError {
        QueueError::Refused(SettingsError::new(URL, problem))
    }

    /// An engine's own words about a file; they stand in the line, which is all that a person gets to read.
    pub(crate) fn engine(path: &str, reason: &sqlx::Error) -> QueueError {
        QueueError::url(format!("{path} cannot be used: {reason}"))
    }
}

const URL: &str = "queue.url";

fn locked(path: &str) -> String {
    format!("{path} is in use by another process; an embedded queue serves one process only")
}

/// Why a job is not known to be durable. Publishing it again with the same id is always right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    #[error("queue is not available")]
    Unavailable,
    /// The broker ran out of memory or disk and takes nothing at present.
    #[error("broker is blocked by a resource alarm")]
    Blocked,
    /// The outcome is unknown: the job may arrive nevertheless.
    #[error("publish was not confirmed in time")]
    TimedOut,
    /// The lane's queue or its binding is missing.
    #[error("publish reached no queue")]
    Returned,
    /// The lane is full, or the broker failed.
    #[error("publish was refused by the queue")]
    Nacked,
    #[error("job of {bytes} bytes is larger than {BODY_BYTES_MAX}")]
    TooLarge { bytes: usize },
}
