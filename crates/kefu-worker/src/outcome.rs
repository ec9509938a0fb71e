//! How a job that did not finish ends, and where that is decided.

use std::time::Duration;

use kefu_outbound::{App, Wait, wait_if_away};
use kefu_queue::{Ladder, Verdict};
use kefu_store::StoreError;
use kefu_wecom::ApiError;
use thiserror::Error;

use crate::letter::{OUT_OF_ATTEMPTS, PERMANENT};

/// Rows that another transaction holds for long come free at its pace.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const BUSY: &str = "its rows are held by another transaction";

/// Why a job stopped before its end.
///
/// Jobs that stand on a row (`kf.sync`, `kf.turn`) write their retry to the row themselves and only then return;
/// the others are decided by [`verdict`].
#[derive(Debug, Error)]
pub(crate) enum JobError {
    /// Transient; one attempt is spent.
    #[error("{0:#}")]
    Retry(anyhow::Error),
    /// Not now; no attempt is spent.
    #[error("waits: {0}")]
    Parked(&'static str),
    /// Others hold its rows for long; no attempt is spent.
    #[error("waits: {BUSY}")]
    Busy,
    /// The same, and its own lease may stand on them.
    #[error("its lease may stand: {BUSY}")]
    BusyUnderLease,
    /// Can never work.
    #[error("{0:#}")]
    Dead(anyhow::Error),
    /// The database does not answer: no job's fault.
    #[error("database does not answer")]
    StoreAway(#[source] StoreError),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> JobError {
        match () {
            () if is_away(&error) => JobError::StoreAway(error),
            () if error.is_busy() => JobError::Busy,
            () => JobError::Retry(anyhow::Error::new(error).context("database refused")),
        }
    }
}

impl JobError {
    /// A lease was not taken; that of an earlier run of a redelivered job may stand.
    pub(crate) fn of_acquire(error: StoreError, redelivered: bool) -> JobError {
        match redelivered {
            true => JobError::from(error).under_lease(),
            false => JobError::from(error),
        }
    }

    /// For what comes after the lease was taken.
    pub(crate) fn under_lease(self) -> JobError {
        match self {
            JobError::Busy => JobError::BusyUnderLease,
            error => error,
        }
    }
}

/// The verdict on a job without a row: its attempt stands in the envelope.
pub(crate) fn verdict(ladder: &Ladder, attempt: u32, error: &JobError) -> Verdict {
    let text = error.to_string();
    match error {
        JobError::Retry(_) => match ladder.after(attempt) {
            Some(step) => Verdict::Retry { step, error: text },
            None => Verdict::Dead {
                reason: OUT_OF_ATTEMPTS.to_owned(),
                error: text,
            },
        },
        JobError::Parked(reason) => Verdict::Parked {
            step: longer_step(ladder, attempt),
            reason: (*reason).to_owned(),
        },
        JobError::Busy => Verdict::Parked {
            step: ladder.at_least(BUSY_WAIT),
            reason: BUSY.to_owned(),
        },
        // Only after the delivery was held for its time: given out again it is known to be the lease's owner, and a
        // parked copy is not. Everybody else is told that the row is being worked on.
        JobError::BusyUnderLease => Verdict::Interrupted,
        JobError::Dead(_) => Verdict::Dead {
            reason: PERMANENT.to_owned(),
            error: text,
        },
        // Only after the delivery was held for its time: somebody else may reach the database.
        JobError::StoreAway(_) => Verdict::Interrupted,
    }
}

/// The step after the one this attempt would get: what waits for a pause must not come back too early.
fn longer_step(ladder: &Ladder, attempt: u32) -> usize {
    let last = ladder.steps().len().saturating_sub(1);
    ladder.after(attempt).map_or(last, |step| (step + 1).min(last))
}

/// Whose fault a failed run of a row was: only our own may end it.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    /// WeCom or the model: tried again for as long as the 48 h window is open.
    #[error("{0:#}")]
    Outside(anyhow::Error),
    /// A panic, an answer that makes no sense: dead after the last step.
    #[error("{0:#}")]
    Own(anyhow::Error),
    /// A rate limit, a pause, rows that others hold: no attempt is spent.
    #[error("waits for {0:?}: {1}")]
    Wait(Duration, &'static str),
    /// The lease went to somebody else, who now does the work.
    #[error("the lease was lost")]
    LeaseLost,
    #[error("database does not answer")]
    StoreAway(#[source] StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        match () {
            () if is_away(&error) => Fault::StoreAway(error),
            () if error.is_busy() => Fault::Wait(BUSY_WAIT, BUSY),
            () => Fault::Own(anyhow::Error::new(error).context("database refused")),
        }
    }
}

impl From<Wait> for Fault {
    fn from(wait: Wait) -> Fault {
        Fault::Wait(wait.time, wait.why)
    }
}

impl Fault {
    /// A failed call of WeCom that is not about a customer's message.
    pub(crate) fn of_call(error: ApiError) -> Fault {
        Fault::Outside(anyhow::Error::new(error))
    }

    /// The same; once the breaker of the app is open, a wait like everybody's.
    pub(crate) fn of_wecom(app: &App, error: ApiError) -> Fault {
        match wait_if_away(app, &error) {
            Some(wait) => wait.into(),
            None => Fault::of_call(error),
        }
    }
}

/// Whether the database cannot be worked with now, which is no job's fault: it does not answer, or it refuses us
/// until a person has mended something, such as a changed password.
pub(crate) fn is_away(error: &StoreError) -> bool {
    error.is_unavailable() || error.is_refusal()
}
