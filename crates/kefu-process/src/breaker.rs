//! A circuit breaker: a party that fails again and again is left alone for a while, then asked by one caller first.
//!
//! Closed → open after [`FAILURES_MAX`] failures in a row → half-open when the wait is over, with one probe at a time
//! → closed by its success, or open again for twice as long. It learns only from its callers and asks nobody itself;
//! a sign of life of the party, told by whoever got it, ends the wait.

mod states;

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::gauge;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use self::states::{Change, Core};

/// Failures in a row that open a breaker.
pub const FAILURES_MAX: u32 = 5;
/// The longest wait is this many first waits: 60 s for one of 5 s.
pub const WAIT_GROWTH_MAX: u32 = 12;
/// Shortest time between a failure and the probe for which a sign of life is the reason.
pub const HEARD_SPACING: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    Open,
    /// The wait is over and one caller asks, or the next one will.
    HalfOpen,
}

impl BreakerState {
    pub fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// The party is not to be called now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not called for another {for_:?}")]
pub struct Open {
    pub for_: Duration,
}

/// One for each party of a process; clones share their state.
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    party: String,
    core: Mutex<Core>,
    /// Told whenever a probe has ended.
    probed: Notify,
}

/// The right to make one call. Dropped without a word it teaches nothing, and a probe's place is free again.
#[derive(Debug)]
#[must_use = "a call's outcome is to be told"]
pub struct Permit {
    breaker: Breaker,
    /// Of the state it was given in: what is told later than the next change says nothing about the new state.
    epoch: u64,
}

impl Breaker {
    /// `party` is its name in logs and metrics, `wait` the first wait.
    pub fn new(party: impl Into<String>, wait: Duration) -> Breaker {
        let breaker = Breaker(Arc::new(Inner {
            party: party.into(),
            core: Mutex::new(Core::new(wait, Instant::now())),
            probed: Notify::new(),
        }));
        breaker.show(false);
        breaker
    }

    /// A permit for one call, unless the party is left alone.
    pub fn allow(&self) -> Result<Permit, Open> {
        let epoch = self.core().allow(Instant::now())?;
        Ok(Permit {
            breaker: self.clone(),
            epoch,
        })
    }

    /// The same; while another caller's probe is out, its end is waited for, at most for `limit`.
    pub async fn allow_within(&self, limit: Duration) -> Result<Permit, Open> {
        let permit = async {
            loop {
                // Made before the look, so that an end in between is not missed.
                let probed = self.0.probed.notified();
                match self.allow() {
                    Err(_) if self.core().is_probing() => probed.await,
                    permit => return permit,
                }
            }
        };
        match timeout(limit, permit).await {
            Ok(permit) => permit,
            Err(_) => self.allow(),
        }
    }

    /// The party itself called, `age` ago. If that was after the last failure, the next caller may ask at once:
    /// whoever waits does not wait out what was true before.
    pub fn heard(&self, age: Duration) {
        if let Some(at) = Instant::now().checked_sub(age) {
            self.core().heard(at);
        }
    }

    /// Whether [`Breaker::allow`] would refuse now; takes no probe's place.
    pub fn check(&self) -> Result<(), Open> {
        self.core().check(Instant::now())
    }

    /// The state, and for how long the party has been there (closed) or away (open or half-open).
    pub fn state(&self) -> (BreakerState, Duration) {
        let core = self.core();
        (core.state(), core.age(Instant::now()))
    }

    /// For people, while the party is away: for how long, and how the last call failed.
    pub fn away(&self) -> Option<String> {
        let core = self.core();
        match core.state() {
            BreakerState::Closed => None,
            BreakerState::Open | BreakerState::HalfOpen => Some(format!(
                "open for {} s: {}",
                core.age(Instant::now()).as_secs(),
                core.reason()
            )),
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, is_open: bool) {
        gauge!("kefu_breaker_open", "party" => self.0.party.clone()).set(if is_open { 1.0 } else { 0.0 });
    }
}

impl Permit {
    /// The party answered; a refusal is an answer, too.
    pub fn succeeded(self) {
        let Inner { party, .. } = &*self.breaker.0;
        let mut core = self.breaker.core();
        if let Change::Closed { after } = core.succeeded(self.epoch, Instant::now()) {
            // Under the lock, so that the gauge follows the order of the changes.
            self.breaker.show(false);
            info!(party, "{party} is back after {} s", after.as_secs());
        }
    }

    /// The party is away. `reason` goes to logs and health: no secrets.
    pub fn failed(self, reason: &dyn Display) {
        let reason = reason.to_string();
        let Inner { party, .. } = &*self.breaker.0;
        let mut core = self.breaker.core();
        match core.failed(self.epoch, &reason, Instant::now()) {
            Change::Opened { wait } => {
                self.breaker.show(true);
                warn!(
                    party,
                    "{party} is away, not calling it for {wait:?} after {FAILURES_MAX} failures in a row: {reason}"
                );
            }
            Change::OpenedAgain { wait } => {
                debug!(party, "{party} is still away, waiting {wait:?}: {reason}")
            }
            Change::Closed { .. } | Change::None => (),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // After a report this is of an old epoch, or closed, and changes nothing.
        self.breaker.core().dropped(self.epoch);
        self.breaker.0.probed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn open(breaker: &Breaker) {
        for _ in 0..FAILURES_MAX {
            breaker.allow().unwrap().failed(&"on purpose");
        }
    }

    #[test]
    fn clones_share_what_they_know() {
        let breaker = Breaker::new("test", HOUR);
        assert_eq!(breaker.away(), None);
        open(&breaker.clone());
        assert_eq!(breaker.state().0, BreakerState::Open);
        assert!(breaker.check().is_err() && breaker.allow().is_err());
        assert_eq!(breaker.away().unwrap(), "open for 0 s: on purpose");
    }

    #[test]
    fn of_many_callers_one_probes() {
        let breaker = Breaker::new("test", Duration::ZERO);
        open(&breaker);
        let permits: Vec<_> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..16).map(|_| scope.spawn(|| breaker.allow())).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let mut probes = permits.into_iter().flatten();
        let probe = probes.next().unwrap();
        assert!(probes.next().is_none());
        drop(probe);
        breaker.allow().unwrap().succeeded();
        assert_eq!(breaker.state().0, BreakerState::Closed);
    }

    #[tokio::test]
    async fn callers_wait_for_a_probe_that_is_out_but_not_for_an_open_breaker() {
        let breaker = Breaker::new("test", Duration::ZERO);
        open(&breaker);
        let probe = breaker.allow().unwrap();
        let limit = Duration::from_millis(100);
        assert!(breaker.allow_within(limit).await.is_err());
        let waiting = async { breaker.allow_within(HOUR).await.is_ok() };
        let probing = async {
            tokio::task::yield_now().await;
            probe.succeeded();
        };
        assert_eq!(tokio::join!(waiting, probing), (true, ()));

        let away = Breaker::new("test", HOUR);
        open(&away);
        let at_once = away.allow_within(HOUR).now_or_never();
        assert!(at_once.is_some_and(|outcome| outcome.is_err()));
    }

    #[test]
    fn a_sign_of_life_counts_by_its_age() {
        let breaker = Breaker::new("test", HOUR);
        open(&breaker);
        breaker.heard(HOUR);
        assert!(breaker.check().unwrap_err().for_ > HEARD_SPACING);
        breaker.heard(Duration::ZERO);
        assert!(breaker.check().unwrap_err().for_ <= HEARD_SPACING);
    }

    #[test]
    fn a_panicking_caller_frees_the_place_of_the_probe() {
        let breaker = Breaker::new("test", Duration::ZERO);
        open(&breaker);
        let probe = breaker.allow().unwrap();
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    let _probe = probe;
                    panic!("on purpose")
                })
                .join()
        });
        assert!(panicked.is_err());
        assert!(breaker.allow().is_ok());
    }
}
