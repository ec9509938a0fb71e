//! A worker as the product has it: takes a job, runs it under a lease, publishes the copy, acks last.

mod handover;
mod pull;
mod send;
mod turn;

use std::time::Duration;

use super::broker::{Delivery, Kind};
use super::world::Hand;

/// Waits of the ladder, in ms.
const STEPS: [i64; 5] = [5_000, 30_000, 120_000, 600_000, 3_600_000];
/// A row in a retry step wakes this long after its copy should have come back, in ms.
const COPY_LATE: i64 = 60_000;
/// The pause after a rate limit.
const RATE_PAUSE: Duration = Duration::from_secs(60);
/// The attempt of a job which the sweeper publishes.
pub(super) const SWEPT_ATTEMPT: u32 = 2;

/// Why a run stopped before its end.
#[derive(Debug)]
enum Fault {
    Outside,
    Own,
    Wait(Duration),
    LeaseLost,
}

#[derive(Debug)]
enum Verdict {
    Done,
    /// After so many ms.
    Retry(i64),
    Dead,
}

/// What follows a failure: where the copy waits, and when the row wakes.
struct Next {
    delay: i64,
    wake_in: Duration,
    exhausted: bool,
}

/// `failures` counts the failed runs before this one.
fn after_failure(failures: u32) -> Next {
    let step = failures as usize;
    let delay = STEPS[step.min(STEPS.len() - 1)];
    Next {
        delay,
        wake_in: Duration::from_millis((delay + COPY_LATE) as u64),
        exhausted: STEPS.len() <= step,
    }
}

pub(super) async fn execute(hand: Hand<'_>, delivery: Delivery) {
    let Delivery {
        tag,
        job,
        redelivered,
    } = delivery;
    let verdict = match &job.kind {
        Kind::Sync => pull::run(&hand, &job, redelivered).await,
        Kind::Turn(customer) => turn::run(&hand, &job, redelivered, customer).await,
    };
    hand.step(|world| world.held[hand.worker] = None).await;
    if let Verdict::Retry(delay) = verdict {
        hand.told(
            || format!("publishes {} again in {delay} ms", job.id),
            |world| {
                let at = world.now + delay;
                world.broker.publish_again(job.clone(), at);
            },
        )
        .await;
    }
    hand.told(
        || format!("acks {} ({verdict:?})", job.id),
        |world| world.broker.ack(tag),
    )
    .await;
}
