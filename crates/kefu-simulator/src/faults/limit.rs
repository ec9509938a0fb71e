use std::time::Duration;

/// What a limit has counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// The number of the window since 1970.
    window: i64,
    calls: u32,
    blocked_until: i64,
}

impl Count {
    /// Whether one call more is too many.
    pub(super) fn refuses(&mut self, most: u32, every: Duration, blocks: bool, now: i64) -> bool {
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        if now < self.blocked_until {
            return true;
        }
        if self.window != now / every {
            (self.window, self.calls) = (now / every, 0);
        }
        if self.calls < most {
            self.calls += 1;
            return false;
        }
        if blocks {
            // What was counted is atoned for.
            (self.blocked_until, self.calls) = (now.saturating_add(every), 0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these calls, at milliseconds, are refused by a limit of 3 in 10 s.
    #[track_caller]
    fn check(blocks: bool, calls: &[i64], refused: &[i64]) {
        let mut count = Count::default();
        let every = Duration::from_secs(10);
        let found: Vec<i64> = calls
            .iter()
            .copied()
            .filter(|at| count.refuses(3, every, blocks, *at))
            .collect();
        assert_eq!(found, refused);
    }

    #[test]
    fn a_limit_counts_by_the_clock_or_blocks_from_its_refusal() {
        let calls = [
            9_000, 9_100, 9_200, 9_300, 10_000, 19_200, 19_299, 19_300, 19_301, 20_000,
        ];
        check(false, &calls, &[9_300, 19_300, 19_301]);
        check(true, &calls, &[9_300, 10_000, 19_200, 19_299]);
    }
}
