use std::sync::atomic::{AtomicI64, Ordering};

/// Shortest time between two log lines about refused callbacks, in milliseconds.
const INTERVAL_MS: i64 = 10_000;

/// Lets one line through every ten seconds: anybody on the internet can cause them.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    next_ms: AtomicI64,
}

impl Seldom {
    pub(crate) fn allows(&self, now_ms: i64) -> bool {
        let next = self.next_ms.load(Ordering::Relaxed);
        now_ms >= next
            && self
                .next_ms
                .compare_exchange(next, now_ms + INTERVAL_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
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
}
