//! The states and what moves between them, without clock and lock.

use std::time::{Duration, Instant};

use super::{BreakerState, FAILURES_MAX, HEARD_SPACING, Open, WAIT_GROWTH_MAX};

#[derive(Debug)]
pub(super) struct Core {
    wait_first: Duration,
    phase: Phase,
    /// Grows with every change and every probe: reports of an older one are not about this state.
    epoch: u64,
    /// When the party came or went; a failed probe does not change it.
    since: Instant,
    /// How the last counted call failed, and when.
    reason: String,
    failed_at: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    HalfOpen { wait: Duration, probing: bool },
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened { wait: Duration },
    OpenedAgain { wait: Duration },
    Closed { after: Duration },
}

impl Core {
    pub(super) fn new(wait_first: Duration, now: Instant) -> Core {
        Core {
            wait_first,
            phase: Phase::Closed { failures: 0 },
            epoch: 0,
            since: now,
            reason: String::new(),
            failed_at: now,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn check(&self, now: Instant) -> Result<(), Open> {
        match self.phase {
            Phase::Open { until, .. } if now < until => Err(Open {
                for_: until.saturating_duration_since(now),
            }),
            // How the probe ends is known soon; if it fails, who comes back then learns the next wait.
            Phase::HalfOpen { probing: true, .. } => Err(Open {
                for_: self.wait_first,
            }),
            Phase::Closed { .. } | Phase::Open { .. } | Phase::HalfOpen { .. } => Ok(()),
        }
    }

    /// The epoch of the permit.
    pub(super) fn allow(&mut self, now: Instant) -> Result<u64, Open> {
        self.check(now)?;
        if let Phase::Open { wait, .. } | Phase::HalfOpen { wait, .. } = self.phase {
            self.turn(Phase::HalfOpen { wait, probing: true });
        }
        Ok(self.epoch)
    }

    pub(super) fn succeeded(&mut self, epoch: u64, now: Instant) -> Change {
        if epoch != self.epoch {
            return Change::None;
        }
        let after = self.age(now);
        match &mut self.phase {
            Phase::Closed { failures } => {
                *failures = 0;
                Change::None
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => {
                self.turn(Phase::Closed { failures: 0 });
                self.since = now;
                Change::Closed { after }
            }
        }
    }

    pub(super) fn failed(&mut self, epoch: u64, reason: &str, now: Instant) -> Change {
        if epoch != self.epoch {
            return Change::None;
        }
        reason.clone_into(&mut self.reason);
        self.failed_at = now;
        match &mut self.phase {
            Phase::Closed { failures } if *failures + 1 < FAILURES_MAX => {
                *failures += 1;
                Change::None
            }
            Phase::Closed { .. } => {
                let wait = self.open(self.wait_first, now);
                self.since = now;
                Change::Opened { wait }
            }
            Phase::Open { wait, .. } | Phase::HalfOpen { wait, .. } => {
                let longer = wait
                    .saturating_mul(2)
                    .min(self.wait_first.saturating_mul(WAIT_GROWTH_MAX));
                let wait = self.open(longer, now);
                Change::OpenedAgain { wait }
            }
        }
    }

    /// The party was heard from at `at`. After the last failure that ends the wait, but for a little distance: each
    /// sign of life may cost a call, and a party may send and yet not answer.
    pub(super) fn heard(&mut self, at: Instant) {
        if let Phase::Open { until, .. } = &mut self.phase
            && self.failed_at < at
        {
            *until = (*until).min(self.failed_at + HEARD_SPACING);
        }
    }

    /// Whether a probe is out: what is known soon.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::HalfOpen { probing: true, .. })
    }

    /// A permit went without a report.
    pub(super) fn dropped(&mut self, epoch: u64) {
        if epoch == self.epoch
            && let Phase::HalfOpen { probing, .. } = &mut self.phase
        {
            *probing = false;
        }
    }

    fn open(&mut self, wait: Duration, now: Instant) -> Duration {
        let until = now + wait;
        self.turn(Phase::Open { until, wait });
        wait
    }

    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(5);
    const WAIT_MAX: Duration = Duration::from_secs(60);

    fn opened(now: Instant) -> Core {
        let mut core = Core::new(WAIT, now);
        for _ in 1..FAILURES_MAX {
            let epoch = core.allow(now).unwrap();
            assert_eq!(core.failed(epoch, "away", now), Change::None);
        }
        let epoch = core.allow(now).unwrap();
        assert_eq!(core.failed(epoch, "away", now), Change::Opened { wait: WAIT });
        core
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let now = Instant::now();
        let mut core = Core::new(WAIT, now);
        for _ in 0..3 {
            for _ in 1..FAILURES_MAX {
                let epoch = core.allow(now).unwrap();
                assert_eq!(core.failed(epoch, "away", now), Change::None);
            }
            let epoch = core.allow(now).unwrap();
            assert_eq!(core.succeeded(epoch, now), Change::None);
        }
        assert_eq!(core.state(), BreakerState::Closed);
    }

    #[test]
    fn an_open_one_tells_how_long_it_stays_so() {
        let now = Instant::now();
        let mut core = opened(now);
        let later = now + Duration::from_secs(2);
        let expected = Open {
            for_: Duration::from_secs(3),
        };
        assert_eq!(core.check(later), Err(expected));
        assert_eq!(core.allow(later), Err(expected));
        assert_eq!((core.state(), core.reason()), (BreakerState::Open, "away"));
    }

    #[test]
    fn the_first_one_after_the_wait_probes_and_the_others_wait() {
        let mut now = Instant::now();
        let mut core = opened(now);
        now += WAIT;
        let probe = core.allow(now).unwrap();
        assert_eq!(core.state(), BreakerState::HalfOpen);
        for _ in 0..3 {
            assert_eq!(core.allow(now), Err(Open { for_: WAIT }));
        }
        assert_eq!(core.succeeded(probe, now), Change::Closed { after: WAIT });
        assert!(core.allow(now).is_ok() && core.allow(now).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_its_limit() {
        let start = Instant::now();
        let (mut core, mut now) = (opened(start), start);
        let mut last = WAIT;
        for seconds in [10, 20, 40, 60, 60] {
            now += last;
            let wait = Duration::from_secs(seconds);
            let probe = core.allow(now).unwrap();
            assert_eq!(
                core.failed(probe, "still away", now),
                Change::OpenedAgain { wait }
            );
            last = wait;
        }
        assert_eq!(last, WAIT_MAX);
        assert_eq!(core.age(now), Duration::from_secs(5 + 10 + 20 + 40 + 60));
        // Once it was closed, the waits begin anew.
        now += last;
        let probe = core.allow(now).unwrap();
        core.succeeded(probe, now);
        for _ in 1..FAILURES_MAX {
            let epoch = core.allow(now).unwrap();
            core.failed(epoch, "away", now);
        }
        let epoch = core.allow(now).unwrap();
        assert_eq!(core.failed(epoch, "away", now), Change::Opened { wait: WAIT });
    }

    #[test]
    fn a_sign_of_life_after_the_last_failure_ends_the_wait() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let mut core = opened(now);
        // What was sent before the failure says nothing.
        core.heard(now);
        assert!(core.check(now + WAIT - ms(1)).is_err());
        core.heard(now + ms(10));
        let left = Open {
            for_: HEARD_SPACING - ms(10),
        };
        assert_eq!(core.check(now + ms(10)), Err(left));
        let later = now + HEARD_SPACING;
        let probe = core.allow(later).unwrap();
        assert!(core.is_probing() && core.allow(later).is_err());
        // A party that sends and does not answer is asked no more often than that, and the wait grows for the rest.
        let wait = 2 * WAIT;
        assert_eq!(core.failed(probe, "away", later), Change::OpenedAgain { wait });
        assert_eq!(core.check(later), Err(Open { for_: wait }));
        core.heard(later + ms(1));
        assert!(core.check(later + HEARD_SPACING - ms(1)).is_err());
        let probe = core.allow(later + HEARD_SPACING).unwrap();
        core.heard(later + HEARD_SPACING);
        assert!(core.is_probing());
        core.succeeded(probe, later + HEARD_SPACING);
        core.heard(later + HEARD_SPACING);
        assert_eq!(core.state(), BreakerState::Closed);
    }

    #[test]
    fn a_sign_of_life_never_makes_a_wait_longer() {
        let now = Instant::now();
        let mut core = Core::new(Duration::from_millis(50), now);
        for _ in 0..FAILURES_MAX {
            let epoch = core.allow(now).unwrap();
            core.failed(epoch, "away", now);
        }
        core.heard(now + Duration::from_millis(1));
        assert!(core.check(now + Duration::from_millis(50)).is_ok());
    }

    #[test]
    fn a_probe_that_is_never_reported_frees_its_place() {
        let now = Instant::now();
        let mut core = opened(now);
        let later = now + WAIT;
        let lost = core.allow(later).unwrap();
        core.dropped(lost);
        let probe = core.allow(later).unwrap();
        // The lost one has no say any more, dropped or told.
        core.dropped(lost);
        assert!(core.allow(later).is_err());
        assert_eq!(core.succeeded(lost, later), Change::None);
        assert_eq!(core.succeeded(probe, later), Change::Closed { after: WAIT });
    }

    #[test]
    fn calls_from_before_a_change_do_not_count_after_it() {
        let now = Instant::now();
        let mut core = Core::new(WAIT, now);
        let early = core.allow(now).unwrap();
        for _ in 0..FAILURES_MAX {
            core.failed(early, "away", now);
        }
        assert_eq!(core.state(), BreakerState::Open);
        assert_eq!(core.succeeded(early, now), Change::None);
        assert_eq!(core.failed(early, "late", now), Change::None);
        assert_eq!((core.state(), core.reason()), (BreakerState::Open, "away"));
        let later = now + WAIT;
        let probe = core.allow(later).unwrap();
        assert_eq!(core.failed(early, "late", later), Change::None);
        assert_eq!(core.succeeded(probe, later), Change::Closed { after: WAIT });
        for _ in 0..FAILURES_MAX {
            assert_eq!(core.failed(early, "late", later), Change::None);
        }
    }
}
