//! The one place that reads the wall clock; everything else gets `now` as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix milliseconds. Never goes below 0, and steps back when the system's clock does.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-11-20T08:15:00.123Z` for Unix milliseconds; times outside the years 1970 to 9999 are clamped.
pub fn rfc3339(at_ms: i64) -> String {
    const LAST_MS: i64 = 253_402_300_799_999;
    let since_epoch = Duration::from_millis(at_ms.clamp(0, LAST_MS).unsigned_abs());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_the_ends_of_its_range() {
        assert_eq!(rfc3339(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_763_627_400_123), "2025-11-20T08:30:00.123Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn reads_a_time_after_this_was_written() {
        assert!(now_ms() > 1_763_000_000_000);
    }
}
