//! Log lines that others could cause without end: one in a while, with a count of those held back.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Lets one line through in a while.
#[derive(Debug)]
pub struct Seldom {
    interval_ms: i64,
    next_ms: AtomicI64,
    held_back: AtomicU64,
}

impl Seldom {
    pub fn every(interval: Duration) -> Seldom {
        Seldom {
            interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
            next_ms: AtomicI64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    pub fn allows(&self, now_ms: i64) -> bool {
        self.line(now_ms).is_some()
    }

    /// How many lines were held back since the last one, if one may be written now.
    pub fn line(&self, now_ms: i64) -> Option<u64> {
        let next = self.next_ms.load(Ordering::Relaxed);
        // A clock that was set back may not silence the line for as long.
        let is_due = next <= now_ms || now_ms < next.saturating_sub(self.interval_ms);
        let is_ours = is_due
            && self
                .next_ms
                .compare_exchange(
                    next,
                    now_ms.saturating_add(self.interval_ms),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        match is_ours {
            true => Some(self.held_back.swap(0, Ordering::Relaxed)),
            false => {
                self.held_back.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_many_were_held_back() {
        let seldom = Seldom::every(Duration::from_secs(60));
        assert_eq!(seldom.line(1_000), Some(0));
        assert_eq!(seldom.line(2_000), None);
        assert_eq!(seldom.line(60_999), None);
        assert_eq!(seldom.line(61_000), Some(2));
        assert_eq!(seldom.line(200_000), Some(0));
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nothing() {
        let seldom = Seldom::every(Duration::from_secs(10));
        assert!(seldom.allows(3_600_000));
        assert!(seldom.allows(1_000));
        assert!(!seldom.allows(10_999));
        assert!(seldom.allows(11_000));
    }
}
