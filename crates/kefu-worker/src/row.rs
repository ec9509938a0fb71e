//! What the two jobs that stand on a row have in common: containment, and the step after a failure.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::anyhow;
use futures::FutureExt;
use kefu_queue::{Ladder, Verdict};
use tokio::time::timeout;

use crate::outcome::Fault;

/// No job runs longer; far below the broker's consumer timeout of 30 min.
pub(crate) const HARD_LIMIT: Duration = Duration::from_secs(120);
/// A row in a retry step wakes this long after its copy should have come back.
const COPY_LATE: Duration = Duration::from_secs(60);

/// Runs the work of a row to its end, its time limit or its panic.
pub(crate) async fn contained<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match timeout(HARD_LIMIT, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Fault::Own(anyhow!("the job panicked"))),
        // Whoever is slow is outside: our own part of a run is a handful of statements, each with its limit.
        Err(_) => Err(Fault::Outside(anyhow!(
            "the job took longer than {} s",
            HARD_LIMIT.as_secs()
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

    #[tokio::test]
    async fn a_panic_is_a_fault_of_our_own() {
        let outcome = contained::<()>(async { panic!("on purpose") }).await;
        assert!(matches!(outcome, Err(Fault::Own(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn endless_work_is_cut_off() {
        let outcome = contained::<()>(std::future::pending()).await;
        assert!(matches!(outcome, Err(Fault::Outside(_))));
    }
}
