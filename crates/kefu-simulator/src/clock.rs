//! The simulator's time: the real one, plus what somebody added to it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Never goes back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_ms: AtomicI64,
    latest_ms: AtomicI64,
}

impl Clock {
    /// Unix milliseconds.
    pub(crate) fn now(&self) -> i64 {
        let now = kefu_process::clock::now_ms() + self.ahead_ms.load(Ordering::Relaxed);
        self.latest_ms.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Lets time pass at once.
    pub(crate) fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub(crate) fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }
}
