use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Shortest time between two log lines about refused callbacks, in milliseconds.
const INTERVAL_MS: i64 = 10_000;

/// Lets one line through in a while: anybody on the internet can cause them.
#[derive(Debug)]
pub(crate) struct Seldom {
    interval_ms: i64,
    next_ms: AtomicI64,
    held_back: AtomicU64,
}

impl Default for Seldom {
    /// One line every ten seconds.
    fn default() -> Seldom {
        Seldom::every_ms(INTERVAL_MS)
    }
}

impl Seldom {
    pub(crate) fn every_ms(interval_ms: i64) -> Seldom {
        Seldom {
            interval_ms,
            next_ms: AtomicI64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    pub(crate) fn allows(&self, now_ms: i64) -> bool {
        self.line(now_ms).is_some()
    }

    /// How many lines were held back since the last one, if one may be written now.
    pub(crate) fn line(&self, now_ms: i64) -> Option<u64> {
        let next = self.next_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= next
            && self
                .next_ms
                .compare_exchange(
                    next,
                    now_ms + self.interval_ms,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        match is_due {
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
    fn one_line_every_ten_seconds() {
        let seldom = Seldom::default();
        assert!(seldom.allows(1_000));
        assert!(!seldom.allows(10_999));
        assert!(seldom.allows(11_000));
    }

    #[test]
    fn a_line_tells_how_many_were_held_back() {
        let seldom = Seldom::every_ms(60_000);
        assert_eq!(seldom.line(1_000), Some(0));
        assert_eq!(seldom.line(2_000), None);
        assert_eq!(seldom.line(60_999), None);
        assert_eq!(seldom.line(61_000), Some(2));
        assert_eq!(seldom.line(200_000), Some(0));
    }
}
