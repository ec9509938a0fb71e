use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// First wait before Redis is tried again. Not shorter than the time one try may take, so that tries never
/// overlap.
pub(crate) const WAIT_FIRST: Duration = Duration::from_secs(1);
/// Redis that is back is used again within 5 s.
const WAIT_MAX: Duration = Duration::from_secs(4);

/// Whether Redis is worth asking, so that a frozen one costs one operation its time and not every one.
#[derive(Debug, Default)]
pub(crate) struct Availability(Mutex<Option<Away>>);

#[derive(Debug)]
struct Away {
    since: Instant,
    reason: String,
    /// The operation that comes first after this moment tries Redis for all.
    probe_at: Instant,
    wait: Duration,
}

/// Leave to ask Redis; to be handed back with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Normal,
    /// Redis is thought to be away and this operation finds out.
    Probe,
}

impl Availability {
    /// None while Redis is away and it is not yet time to try again.
    pub(crate) fn pass(&self, now: Instant) -> Option<Pass> {
        let mut away = self.lock();
        let Some(away) = away.as_mut() else {
            return Some(Pass::Normal);
        };
        if now < away.probe_at {
            return None;
        }
        // Moved on at once: nobody else tries meanwhile, even if this try is dropped half way.
        away.probe_at = now + away.wait;
        Some(Pass::Probe)
    }

    /// How long Redis was away, when this answer ended it.
    ///
    /// Only a probe ends it: the late answer to an older question says nothing about now.
    pub(crate) fn answered(&self, pass: Pass, now: Instant) -> Option<Duration> {
        match pass {
            Pass::Normal => None,
            Pass::Probe => self.lock().take().map(|away| now - away.since),
        }
    }

    /// True when Redis was thought to be there until now.
    pub(crate) fn failed(&self, pass: Pass, reason: &str, now: Instant) -> bool {
        let mut slot = self.lock();
        match slot.as_mut() {
            Some(away) => {
                // Operations that were under way when Redis went do not lengthen the wait.
                if pass == Pass::Probe {
                    reason.clone_into(&mut away.reason);
                    away.wait = (away.wait * 2).min(WAIT_MAX);
                    away.probe_at = now + away.wait;
                }
                false
            }
            None => {
                let (reason, wait) = (reason.to_owned(), WAIT_FIRST);
                *slot = Some(Away {
                    since: now,
                    reason,
                    probe_at: now + wait,
                    wait,
                });
                true
            }
        }
    }

    /// Why Redis is away, and for how long; None while it is there.
    pub(crate) fn away(&self, now: Instant) -> Option<(String, Duration)> {
        self.lock()
            .as_ref()
            .map(|away| (away.reason.clone(), now - away.since))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Away>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_at_a_time_with_a_wait_that_doubles_to_its_limit() {
        let availability = Availability::default();
        let mut now = Instant::now();
        assert!(availability.failed(Pass::Normal, "frozen", now));
        let mut wait = WAIT_FIRST;
        for _ in 0..8 {
            assert_eq!(availability.pass(now + wait - Duration::from_millis(1)), None);
            now += wait;
            assert_eq!(availability.pass(now), Some(Pass::Probe));
            assert_eq!(availability.pass(now), None, "a second probe beside the first");
            assert!(!availability.failed(Pass::Probe, "still frozen", now));
            wait = (wait * 2).min(WAIT_MAX);
        }
        assert_eq!(wait, WAIT_MAX);
        assert_eq!(availability.away(now).unwrap().0, "still frozen");
    }

    #[test]
    fn only_the_answer_to_a_probe_ends_it() {
        let availability = Availability::default();
        let now = Instant::now();
        availability.failed(Pass::Normal, "cut", now);
        assert!(
            !availability.failed(Pass::Normal, "cut too", now),
            "reported twice"
        );
        assert_eq!(availability.answered(Pass::Normal, now), None);
        assert!(availability.away(now).is_some());
        let later = now + WAIT_FIRST;
        assert_eq!(availability.pass(later), Some(Pass::Probe));
        assert_eq!(availability.answered(Pass::Probe, later), Some(WAIT_FIRST));
        assert_eq!(availability.pass(later), Some(Pass::Normal));
    }

    #[test]
    fn a_dropped_probe_does_not_block_the_next() {
        let availability = Availability::default();
        let now = Instant::now();
        availability.failed(Pass::Normal, "cut", now);
        assert_eq!(availability.pass(now + WAIT_FIRST), Some(Pass::Probe));
        assert_eq!(availability.pass(now + WAIT_FIRST * 2), Some(Pass::Probe));
    }
}
