//! Work that is done again and again, in the background of a role.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Does `work` at once and then in steps of `period`, until `stop`. Work that takes longer delays the next; what is
/// under way at the stop is dropped, so it must be safe to repeat.
pub async fn every<F: Future<Output = ()>>(
    period: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F,
) -> anyhow::Result<()> {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let working = async {
        loop {
            ticks.tick().await;
            work().await;
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        () = working => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{Instant, sleep};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn works_at_once_then_in_steps_and_never_twice_at_a_time() {
        let (stop, began_at) = (CancellationToken::new(), Instant::now());
        let times = Cell::new(0);
        let working = every(PERIOD, &stop, || async {
            times.set(times.get() + 1);
            // The third takes two and a half periods.
            sleep(if times.get() == 3 {
                PERIOD * 5 / 2
            } else {
                Duration::ZERO
            })
            .await;
        });
        let stopping = async {
            sleep(PERIOD * 5 + PERIOD / 4).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(working, stopping);
        ended.unwrap();
        // At 0, 10 and 20 s, then at 45 s; the next would be at 55 s.
        assert_eq!(times.get(), 4);
        assert_eq!(began_at.elapsed(), PERIOD * 5 + PERIOD / 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_at_the_stop_is_dropped() {
        let stop = CancellationToken::new();
        let working = every(PERIOD, &stop, std::future::pending);
        let stopping = async {
            sleep(PERIOD).await;
            stop.cancel();
        };
        tokio::join!(working, stopping).0.unwrap();
    }
}
