//! How many messages one transaction stores: fewer after one took longer than a method may, more again after quick ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::StoreError;
use crate::store::METHOD_MAX;

/// More than a page has.
const MESSAGES_MAX: usize = 1024;

/// A transaction that ended within this may have been twice as large.
const QUICK: Duration = METHOD_MAX.checked_div(4).expect("four is not zero");

/// Shared by all clones of a store: how far the database is away is the same for every account.
#[derive(Clone, Debug)]
pub(crate) struct Pace(Arc<AtomicUsize>);

impl Pace {
    pub(crate) fn new() -> Pace {
        Pace(Arc::new(AtomicUsize::new(MESSAGES_MAX)))
    }

    pub(super) fn messages(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from a transaction of so many messages.
    pub(super) fn learn<T>(&self, messages: usize, took: Duration, outcome: &Result<T, StoreError>) {
        let next = match outcome {
            // Of a power of two of rows, every statement is one that others use as well.
            Err(error) if error.is_timed_out() => messages.next_power_of_two() / 2,
            // Of what this one took, not of what was allowed: a single message that went quickly tells nothing.
            Ok(_) if took < QUICK => self.messages().max(messages.saturating_mul(2)),
            Ok(_) | Err(_) => return,
        };
        self.0.store(next.clamp(1, MESSAGES_MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_many_after_a_time_out_and_twice_as_many_after_a_quick_one() {
        let pace = Pace::new();
        let late: Result<(), _> = Err(StoreError::timed_out(METHOD_MAX));
        let mut seen = Vec::new();
        for _ in 0..3 {
            pace.learn(pace.messages().min(1000), METHOD_MAX, &late);
            seen.push(pace.messages());
        }
        assert_eq!(seen, [512, 256, 128]);
        pace.learn(128, Duration::from_secs(5), &Ok(()));
        assert_eq!(pace.messages(), 128);
        pace.learn(1, Duration::from_millis(10), &Ok(()));
        assert_eq!(pace.messages(), 128);
        pace.learn(128, Duration::from_millis(10), &Ok(()));
        assert_eq!(pace.messages(), 256);
        let refused: Result<(), _> = Err(StoreError::closed());
        pace.learn(256, METHOD_MAX, &refused);
        assert_eq!(pace.messages(), 256);
        for _ in 0..20 {
            pace.learn(1, METHOD_MAX, &late);
        }
        assert_eq!(pace.messages(), 1);
    }
}
