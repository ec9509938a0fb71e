//! Keeping a lease while the work under it goes on.

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::warn;

use kefu_store::StoreError;

use crate::outcome::Fault;

/// How long a row is ours without a sign of life.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// Time between two extensions.
const EXTEND_EVERY: Duration = Duration::from_secs(20);
/// Without a successful extension for this long the work is dropped, well before the lease ends.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Longest wait for one extension.
const EXTEND_WITHIN: Duration = Duration::from_secs(5);

/// Runs `work` and extends its lease on the way; drops the work when the lease is lost.
///
/// `extend` answers whether the row is still ours.
pub(crate) async fn guarded<T, E, F>(
    work: impl Future<Output = Result<T, Fault>>,
    extend: E,
) -> Result<T, Fault>
where
    E: Fn() -> F,
    F: Future<Output = Result<bool, StoreError>>,
{
    let keep = async {
        let mut alive_at = Instant::now();
        let mut ticks = interval_at(alive_at + EXTEND_EVERY, EXTEND_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match timeout(EXTEND_WITHIN, extend()).await {
                Ok(Ok(true)) => alive_at = Instant::now(),
                Ok(Ok(false)) => return Fault::LeaseLost,
                _ if SILENCE_MAX <= alive_at.elapsed() => {
                    return Fault::Outside(anyhow!("the lease could not be extended"));
                }
                Ok(Err(error)) => warn!(
                    error = &error as &dyn std::error::Error,
                    "lease not extended: {error}"
                ),
                Err(_) => warn!("lease not extended within {EXTEND_WITHIN:?}"),
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        fault = keep => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_drops_the_work() {
        let work = std::future::pending::<Result<(), Fault>>();
        let outcome = guarded(work, || async { Ok(false) }).await;
        assert!(matches!(outcome, Err(Fault::LeaseLost)));
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_is_extended_until_it_ends() {
        let extensions = AtomicU32::new(0);
        let work = async {
            tokio::time::sleep(Duration::from_secs(110)).await;
            Ok(7)
        };
        let outcome = guarded(work, || async {
            extensions.fetch_add(1, Ordering::Relaxed);
            Ok(true)
        });
        assert_eq!(outcome.await.unwrap(), 7);
        assert_eq!(extensions.load(Ordering::Relaxed), 5);
    }
}
