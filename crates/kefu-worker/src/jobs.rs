//! The kinds of jobs, one file each.

mod app_event;
mod notice;
mod on_event;
mod sync;
mod turn;
mod welcome;

use futures::FutureExt;
use kefu_domain::Millis;
use kefu_jobs::{
    DrainConversation, InvalidPayload, JobKind, KINDS, SayNotice, SayWelcome, StoreEvent, SyncAccount,
};
use kefu_process::{clock, trace};
use kefu_queue::{Job, Verdict};

use crate::context::Context;
use crate::outcome::JobError;

/// A kind as label of a metric: whatever else lies in the queue is one.
pub(crate) fn kind_label(kind: &str) -> &'static str {
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("other")
}

pub(crate) use notice::hurry as hurry_notice;
pub(crate) use sync::{poll_account, wake_account, wake_accounts_of};
pub(crate) use turn::limits as turn_limits;

/// A job of this moment, within the present trace.
pub(crate) fn fresh(work: &impl JobKind, app: &str) -> Job {
    let mut job = work.job(app, Millis(clock::now_ms()));
    job.trace = trace::current_traceparent();
    job
}

/// Runs a job; `None` when this version does not know its kind.
pub(crate) async fn run(
    context: &Context,
    job: &Job,
    redelivered: bool,
) -> Option<Result<Verdict, JobError>> {
    // Boxed: the futures are large and deep, and each slot would carry room for the largest of them on its stack.
    Some(match job.kind.as_str() {
        SyncAccount::KIND => sync::run(context, job, redelivered).boxed().await,
        DrainConversation::KIND => turn::run(context, job, redelivered).boxed().await,
        SayWelcome::KIND => welcome::run(context, job).boxed().await,
        SayNotice::KIND => notice::run(context, job).boxed().await,
        StoreEvent::KIND => app_event::run(context, job).boxed().await,
        _ => return None,
    })
}

impl From<InvalidPayload> for JobError {
    fn from(error: InvalidPayload) -> JobError {
        JobError::Dead(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_nobody_knows_are_one_label() {
        assert!(KINDS.iter().all(|kind| kind_label(kind) == *kind));
        for made_up in ["", "kf.sync2", "made.up"] {
            assert_eq!(kind_label(made_up), "other");
        }
    }
}
