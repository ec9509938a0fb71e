//! Why a question has no answer.

use std::time::Duration;

use kefu_process::breaker::Open;
use thiserror::Error;

use super::refusal::{Class, Refusal};

/// Holds neither the question nor the answer.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Not asked: the last questions came to nothing.
    #[error("model is away, {0}")]
    Away(Open),
    #[error("model was busy for longer than {0:?}")]
    Busy(Duration),
    #[error("model did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("model could not be reached")]
    Transport(#[source] reqwest::Error),
    /// It answered, and not the question.
    #[error("model {}{}", status(.0), .0.words)]
    Refused(Refusal),
}

fn status(refusal: &Refusal) -> String {
    let status = refusal
        .status
        .and_then(|status| reqwest::StatusCode::from_u16(status).ok());
    match status {
        Some(status) => format!("answered with HTTP status {status}: "),
        None => "answered: ".to_owned(),
    }
}

impl ModelError {
    pub(super) fn word(&self) -> &'static str {
        match self {
            ModelError::Away(_) => "away",
            ModelError::Busy(_) => "busy",
            ModelError::TimedOut(_) => "timed_out",
            ModelError::Transport(_) => "transport",
            ModelError::Refused(refusal) if refusal.status.is_some() => "status",
            ModelError::Refused(_) => "unreadable",
        }
    }

    /// Whether asking again later may help; a refused key or an unknown model stays so.
    pub fn is_transient(&self) -> bool {
        match self {
            ModelError::Refused(refusal) => refusal.class == Class::Transient,
            ModelError::Away(_)
            | ModelError::Busy(_)
            | ModelError::TimedOut(_)
            | ModelError::Transport(_) => true,
        }
    }
}
