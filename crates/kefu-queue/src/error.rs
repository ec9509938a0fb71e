use std::time::Duration;

use kefu_settings::Unusable;
use thiserror::Error;

use crate::BODY_BYTES_MAX;

/// Why the queue could not be opened, asked or kept running. One line, without passwords.
#[derive(Debug, Error)]
pub enum QueueError {
    /// A setting that can never work.
    #[error("{key}: {reason}")]
    Setting { key: &'static str, reason: String },
    /// The broker answered and said no.
    #[error("queue.url: {url} refused: {reason}")]
    Refused { url: String, reason: String },
    /// Another process holds the file.
    #[error("queue.url: {path} is in use by another process; an embedded queue serves one process only")]
    Locked { path: String },
    #[error("queue.url: {0}")]
    File(Unusable),
    /// The reason stands in the line: it is all that a person gets to read.
    #[error("queue.url: {path} cannot be used: {reason}")]
    Database { path: String, reason: sqlx::Error },
    /// The broker or the writer does not answer; it may later.
    #[error("queue is not available: {reason}")]
    Unavailable { reason: String },
    #[error("queue did not answer within {after:?}")]
    TimedOut { after: Duration },
}

impl QueueError {
    /// Whether trying again without changing something is pointless.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, QueueError::Unavailable { .. } | QueueError::TimedOut { .. })
    }
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
