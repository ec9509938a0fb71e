//! The kinds of jobs, one file each.

mod app_event;
mod notice;
mod on_event;
mod sync;
mod turn;
mod welcome;

use futures::FutureExt;
use kefu_queue::{Job, Verdict};

use crate::context::Context;
use crate::outcome::JobError;

pub(crate) const KF_SYNC: &str = "kf.sync";
pub(crate) const KF_TURN: &str = "kf.turn";
pub(crate) const KF_WELCOME: &str = "kf.welcome";
pub(crate) const KF_NOTICE: &str = "kf.notice";
pub(crate) const APP_EVENT: &str = "app.event";

/// Every kind of job that a worker knows.
pub const JOB_KINDS: [&str; 5] = [APP_EVENT, KF_NOTICE, KF_SYNC, KF_TURN, KF_WELCOME];

/// The attempt of a job that the sweeper publishes for a row. It is no fresh wake-up, of which only the first failure
/// climbs the ladder: the copy it stands in for may be gone, and then nobody else climbs.
pub(crate) const SWEPT_ATTEMPT: u32 = 2;

pub(crate) use notice::hurry as hurry_notice;
pub(crate) use sync::{poll_account, wake_account, wake_accounts_of};
pub(crate) use turn::limits as turn_limits;
pub(crate) use welcome::job as welcome_job;

/// Runs a job; `None` when this version does not know its kind.
pub(crate) async fn run(
    context: &Context,
    job: &Job,
    redelivered: bool,
) -> Option<Result<Verdict, JobError>> {
    // Boxed: the futures are large and deep, and each slot would carry room for the largest of them on its stack.
    Some(match job.kind.as_str() {
        KF_SYNC => sync::run(context, job, redelivered).boxed().await,
        KF_TURN => turn::run(context, job, redelivered).boxed().await,
        KF_WELCOME => welcome::run(context, job).boxed().await,
        KF_NOTICE => notice::run(context, job).boxed().await,
        APP_EVENT => app_event::run(context, job).boxed().await,
        _ => return None,
    })
}
