//! What the two jobs that stand on a row have in common: containment, and the step after a failure.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::anyhow;
use futures::FutureExt;
use kefu_model::PLACE_WAIT_MAX;
use kefu_queue::{Ladder, Verdict};
use tokio::time::timeout;

use crate::outcome::Fault;

/// No job runs longer, unless a model may take its time.
const HARD_LIMIT: Duration = Duration::from_secs(120);
/// No job runs longer, whatever the settings: with the 10 min for which it may be held while the database is away still
/// below the broker's consumer timeout of 30 min.
const HARD_LIMIT_MAX: Duration = Duration::from_secs(600);
/// What a turn needs beside its model: the calls of WeCom before and after, each with a time limit of its own.
const BESIDE_MODEL: Duration = Duration::from_secs(40);
/// A row in a retry step wakes this long after its copy should have come back.
const COPY_LATE: Duration = Duration::from_secs(60);

/// How long a job may run in all, when one answer of the model may take so long.
pub(crate) fn job_limit(model_timeout: Duration) -> Duration {
    let place = model_timeout.min(PLACE_WAIT_MAX);
    (model_timeout + place + BESIDE_MODEL).max(HARD_LIMIT)
}

/// The longest `ai.timeout` that fits into a job.
pub(crate) fn model_timeout_max() -> Duration {
    HARD_LIMIT_MAX - PLACE_WAIT_MAX - BESIDE_MODEL
}

/// Runs the work of a row to its end, its time limit or its panic.
pub(crate) async fn contained<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Fault::Own(anyhow!("the job panicked"))),
        // Whoever is slow is outside: our own part of a run is a handful of statements, each with its limit.
        Err(_) => Err(Fault::Outside(anyhow!(
            "the job took longer than {} s",
            limit.as_secs()
        ))),
    }
}

/// What follows a failure: where the copy waits, and when the row wakes should the copy be lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) step: usize,
    pub(crate) wake_in: Duration,
    /// The ladder's end is reached.
    pub(crate) exhausted: bool,
}

/// `failures` counts the failed runs before this one.
pub(crate) fn after_failure(ladder: &Ladder, failures: u32) -> Next {
    let last = ladder.steps().len().saturating_sub(1);
    let step = ladder.after(failures.saturating_add(1));
    let delay = ladder
        .steps()
        .get(step.unwrap_or(last))
        .map_or(COPY_LATE, |step| step.delay);
    Next {
        step: step.unwrap_or(last),
        wake_in: delay + COPY_LATE,
        exhausted: step.is_none(),
    }
}

impl Next {
    pub(crate) fn retry(&self, error: &str) -> Verdict {
        Verdict::Retry {
            step: self.step,
            error: error.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_kept_after_the_end_of_the_ladder() {
        let ladder = Ladder::parse("5s,30s").unwrap();
        let check = |failures, step, seconds, exhausted| {
            let wake_in = Duration::from_secs(seconds);
            assert_eq!(
                after_failure(&ladder, failures),
                Next {
                    step,
                    wake_in,
                    exhausted
                }
            );
        };
        check(0, 0, 65, false);
        check(1, 1, 90, false);
        check(2, 1, 90, true);
        check(u32::MAX, 1, 90, true);
    }

    #[test]
    fn a_model_that_takes_its_time_has_a_job_around_it() {
        let seconds = Duration::from_secs;
        assert_eq!(job_limit(seconds(20)), HARD_LIMIT);
        assert_eq!(job_limit(seconds(90)), seconds(150));
        assert_eq!(job_limit(model_timeout_max()), HARD_LIMIT_MAX);
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_our_own() {
        let outcome = contained::<()>(HARD_LIMIT, async { panic!("on purpose") }).await;
        assert!(matches!(outcome, Err(Fault::Own(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn endless_work_is_cut_off() {
        let outcome = contained::<()>(HARD_LIMIT, std::future::pending()).await;
        assert!(matches!(outcome, Err(Fault::Outside(_))));
    }
}
