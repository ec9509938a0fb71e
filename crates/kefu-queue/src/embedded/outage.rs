use std::mem;
use std::time::Duration;

use tokio::time::Instant;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// Which of the transactions that fail, ten a second without any traffic, are told in the log.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Of those that fail now.
    since: Option<Instant>,
    told_at: Option<Instant>,
    untold: u64,
    /// Whether the present outage has a line, so that its end gets one, too.
    is_told: bool,
}

impl Outage {
    /// Whether a line is due, and how many failures were not told since the last one.
    pub(super) fn failed(&mut self, now: Instant) -> Option<u64> {
        self.since.get_or_insert(now);
        let is_early = |at| now.saturating_duration_since(at) < EVERY;
        if self.told_at.is_some_and(is_early) {
            self.untold += 1;
            return None;
        }
        self.told_at = Some(now);
        self.is_told = true;
        Some(mem::take(&mut self.untold))
    }

    /// How long it took, if that is to be told.
    pub(super) fn ended(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        mem::take(&mut self.is_told).then(|| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRY_EVERY: Duration = Duration::from_millis(100);

    #[test]
    fn an_outage_is_told_at_its_beginning_once_a_minute_and_at_its_end() {
        let (mut outage, began_at) = (Outage::default(), Instant::now());
        assert_eq!(outage.ended(began_at), None);
        let lines: Vec<u64> = (0..1_250)
            .filter_map(|tries| outage.failed(began_at + TRY_EVERY * tries))
            .collect();
        assert_eq!(lines, [0, 599, 599]);
        let took = TRY_EVERY * 1_250;
        assert_eq!(outage.ended(began_at + took), Some(took));
        assert_eq!(outage.ended(began_at + took), None);
    }

    /// A disk with room for small jobs and none for large ones.
    #[test]
    fn writes_that_fail_now_and_then_are_no_line_each() {
        let (mut outage, began_at) = (Outage::default(), Instant::now());
        let told = (0..1_250).filter(|tries| {
            let now = began_at + TRY_EVERY * *tries;
            let is_told = outage.failed(now).is_some();
            assert_eq!(outage.ended(now).is_some(), is_told);
            is_told
        });
        assert_eq!(told.count(), 3);
    }
}
