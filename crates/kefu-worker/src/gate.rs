//! Work stops while the database is away.
//!
//! A worker without its database could only fail every job it takes. After the first sign the prober asks, and closes
//! the gate when there is no answer: the lanes keep the backlog until it opens it again. One lost connection is no
//! outage: what failed is done again, and nobody else stops for it. Where the database answers the prober and not the
//! work (a table that is refused, a disk with room for one page), one job at a time shows when that is over.

mod states;

use std::error::Error as StdError;
use std::time::Duration;

use anyhow::Context as _;
use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_process::chain;
use kefu_queue::Lane;
use kefu_store::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use states::{Doubt, Phase, States, Wants};

const PROBE_FIRST: Duration = Duration::from_millis(200);
/// Short, since all work waits for the probe after the end of an outage.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// A database that is there answers the first question within this.
const DOUBT_MAX: Duration = Duration::from_secs(2);

/// Open while the database does its work.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<States>);

/// The right to run a job. Its holder says how the database did.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Gate,
    lane: Lane,
    is_trial: bool,
}

impl Gate {
    pub(crate) fn open() -> Gate {
        Gate(watch::Sender::new(States::open()))
    }

    /// Whether jobs are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.0.borrow().takes_jobs()
    }

    /// Why no jobs are taken, if so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0.borrow().trouble().map(str::to_owned)
    }

    /// Whether a job of this lane has ended well since the gate was opened.
    pub(crate) fn has_worked(&self, lane: Lane) -> bool {
        self.0.borrow().has_worked(lane)
    }

    /// Has the database asked whether it is there.
    pub(crate) fn doubt(&self, cause: &(dyn StdError + 'static)) {
        self.doubt_of(None, cause);
    }

    fn doubt_of(&self, lane: Option<Lane>, cause: &(dyn StdError + 'static)) {
        let mut doubt = Doubt::Known;
        self.0.send_if_modified(|states| {
            doubt = states.doubt(lane, chain(cause), Instant::now());
            doubt != Doubt::Known
        });
        match doubt {
            Doubt::Known => (),
            Doubt::Asks => debug!(error = cause, "database failed; asking whether it is there"),
            Doubt::Closes => warn!(
                error = cause,
                "database failed the work again soon after it had answered: no jobs are taken until one of them goes \
                 through"
            ),
        }
    }

    /// The right to run a job of this lane, as soon as there is one.
    pub(crate) async fn pass(&self, lane: Lane) -> Pass {
        self.pass_when(lane, Wants::First, States::takes_jobs).await
    }

    /// The right to run a job again that failed for the database: not before somebody has asked.
    pub(crate) async fn pass_again(&self, lane: Lane) -> Pass {
        let _waiting = Waiting::begin(self, lane);
        let is_open = |states: &States| *states.phase() == Phase::Open;
        self.pass_when(lane, Wants::Again, is_open).await
    }

    async fn pass_when(&self, lane: Lane, wants: Wants, is_open: impl Fn(&States) -> bool) -> Pass {
        let mut changes = self.0.subscribe();
        loop {
            let mut is_trial = false;
            self.0.send_if_modified(|states| {
                is_trial = states.take_trial(lane, wants);
                is_trial
            });
            if is_trial || is_open(&self.0.borrow()) {
                let gate = self.clone();
                return Pass { gate, lane, is_trial };
            }
            // The sender lives in `self`, so the channel cannot be closed.
            let _ = changes.changed().await;
        }
    }

    /// Waits until the database is known to answer.
    pub(crate) async fn opened(&self) {
        self.wait_for(|states| *states.phase() == Phase::Open).await;
    }

    pub(crate) async fn closed(&self) {
        self.wait_for(|states| !states.takes_jobs()).await;
    }

    async fn wait_for(&self, wanted: impl Fn(&States) -> bool) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.0.subscribe().wait_for(|states| wanted(states)).await;
    }

    /// Probes the database whenever it is doubted or the gate is closed, for ever.
    pub(crate) async fn run(self, store: Store, stop: CancellationToken) -> anyhow::Result<()> {
        let probing = async {
            let mut waits = waits();
            loop {
                self.wait_for(|states| matches!(states.phase(), Phase::Doubted | Phase::Closed { .. }))
                    .await;
                if self.0.borrow().is_new_trouble(Instant::now()) {
                    waits = self::waits();
                }
                // Before the first probe as well: work that fails while probes succeed may not spin.
                sleep(waits.next().unwrap_or(PROBE_MAX)).await;
                self.probe(&store).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            () = probing => Ok(()),
        }
    }

    async fn probe(&self, store: &Store) {
        let probed = match self.is_open() {
            true => timeout(DOUBT_MAX, store.probe())
                .await
                .context("no answer in time"),
            false => Ok(store.probe().await),
        };
        match probed.and_then(|probed| Ok(probed?)) {
            Ok(()) => {
                let mut opens = false;
                self.0
                    .send_modify(|states| opens = states.probe_answered(Instant::now()));
                if opens {
                    info!("database takes writes again: jobs are taken");
                }
            }
            Err(error) => {
                let mut closes = false;
                let why = chain(error.as_ref());
                self.0
                    .send_modify(|states| closes = states.probe_failed(why.clone()));
                if closes {
                    warn!(
                        error = error.as_ref() as &dyn StdError,
                        "database does not answer: no jobs are taken until it does: {why}"
                    );
                }
            }
        }
    }
}

/// A failed job that waits for another run, for as long as this lives.
struct Waiting<'a> {
    gate: &'a Gate,
    lane: Lane,
}

impl Waiting<'_> {
    fn begin(gate: &Gate, lane: Lane) -> Waiting<'_> {
        gate.0.send_modify(|states| states.begins_to_wait(lane));
        Waiting { gate, lane }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.0.send_modify(|states| states.ends_to_wait(self.lane));
    }
}

impl Pass {
    /// The one job that shows whether an outage is over.
    pub(crate) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// The database did its part.
    pub(crate) fn worked(mut self) {
        let (lane, is_trial) = (self.lane, std::mem::take(&mut self.is_trial));
        self.gate.0.send_if_modified(|states| {
            if is_trial {
                states.trial_worked(lane, Instant::now());
            }
            is_trial || states.worked(lane)
        });
        if is_trial {
            info!("database does its work again: jobs are taken");
        }
    }

    /// There was no job to try the database with.
    pub(crate) fn untried(mut self) {
        if std::mem::take(&mut self.is_trial) {
            self.gate
                .0
                .send_modify(|states| states.trial_idle(Instant::now()));
            info!("database answers, and there is no job to try its work with: jobs are taken");
        }
    }

    /// It did not.
    pub(crate) fn failed(mut self, cause: &(dyn StdError + 'static)) {
        if std::mem::take(&mut self.is_trial) {
            self.gate
                .0
                .send_modify(|states| states.trial_failed(chain(cause)));
        } else {
            self.gate.doubt_of(Some(self.lane), cause);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_trial {
            self.gate.0.send_modify(States::trial_dropped);
        }
    }
}

fn waits() -> impl Iterator<Item = Duration> + use<> {
    ExponentialBuilder::default()
        .with_min_delay(PROBE_FIRST)
        // Jitter comes on top, up to as much again.
        .with_max_delay(PROBE_MAX / 2)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use kefu_store::DatabaseSettings;

    use super::*;

    #[tokio::test]
    async fn a_database_that_stays_away_is_asked_less_and_less_often() {
        let folder = tempfile::tempdir().unwrap();
        let settings = DatabaseSettings {
            url: format!("sqlite:{}", folder.path().join("kefu.db").display()).into(),
            pool: 1,
        };
        let store = Store::open(&settings).await.unwrap();
        store.close().await;
        tokio::time::pause();
        let (gate, stop) = (Gate::open(), CancellationToken::new());
        let mut changes = gate.0.subscribe();
        gate.doubt(&std::io::Error::other("cut off"));
        changes.borrow_and_update();
        let mut probes = 0;
        let minute = timeout(Duration::from_secs(60), async {
            loop {
                changes.changed().await.unwrap();
                probes += 1;
            }
        });
        tokio::select! {
            _ = minute => (),
            _ = gate.clone().run(store, stop) => panic!("the prober ended"),
        }
        assert!(!gate.is_open());
        // Every one or two seconds, once the waits have grown; a fifth of a second apart it would be hundreds.
        assert!((30..=65).contains(&probes), "{probes} probes in a minute");
    }
}
