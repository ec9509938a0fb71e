//! Work stops while the database is away.
//!
//! A worker without its database could only fail every job it takes. After the first sign the prober asks, and closes
//! the gate when there is no answer: the lanes keep the backlog until it opens it again. One lost connection is no
//! outage: what failed is done again, and nobody else stops for it.

use std::time::Duration;

use anyhow::Context as _;
use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_store::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

const PROBE_FIRST: Duration = Duration::from_millis(200);
const PROBE_LAST: Duration = Duration::from_secs(5);
/// A database that is there answers the first question within this.
const DOUBT_MAX: Duration = Duration::from_secs(2);
/// A gate that closes again sooner was opened too early.
const FLAP_MAX: Duration = Duration::from_secs(10);

/// Open while the database answers.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<State>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Something failed, and the prober has not asked yet. Jobs are taken, those that failed wait.
    Doubted,
    Closed,
}

impl Gate {
    pub(crate) fn open() -> Gate {
        Gate(watch::Sender::new(State::Open))
    }

    /// Whether jobs are taken.
    pub(crate) fn is_open(&self) -> bool {
        *self.0.borrow() != State::Closed
    }

    /// Has the database asked whether it is there.
    pub(crate) fn doubt(&self, cause: &(dyn std::error::Error + 'static)) {
        let doubt = |state: &mut State| {
            *state == State::Open && {
                *state = State::Doubted;
                true
            }
        };
        if self.0.send_if_modified(doubt) {
            debug!(error = cause, "database failed; asking whether it is there");
        }
    }

    /// Waits until the database is known to answer.
    pub(crate) async fn opened(&self) {
        self.wait_for(|state| state == State::Open).await;
    }

    pub(crate) async fn closed(&self) {
        self.wait_for(|state| state == State::Closed).await;
    }

    /// Waits at most `limit` for the gate to open.
    pub(crate) async fn opens_within(&self, limit: Duration) -> bool {
        timeout(limit, self.opened()).await.is_ok()
    }

    async fn wait_for(&self, wanted: impl Fn(State) -> bool) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.0.subscribe().wait_for(|state| wanted(*state)).await;
    }

    /// Probes the database whenever it is doubted or the gate is closed, for ever.
    pub(crate) async fn run(self, store: Store, stop: CancellationToken) -> anyhow::Result<()> {
        let mut waits = waits();
        let mut opened_at: Option<Instant> = None;
        let probe = async {
            loop {
                self.wait_for(|state| state != State::Open).await;
                // Doubted again at once: it answers probes and not the work, so the waits go on growing.
                if opened_at.is_none_or(|at: Instant| FLAP_MAX < at.elapsed()) {
                    waits = self::waits();
                }
                // The first wait comes before the first probe: work that fails while probes succeed may not spin.
                loop {
                    sleep(waits.next().unwrap_or(PROBE_LAST)).await;
                    let probed = match self.is_open() {
                        true => timeout(DOUBT_MAX, store.probe())
                            .await
                            .context("no answer in time"),
                        false => Ok(store.probe().await),
                    };
                    match probed.and_then(|probed| Ok(probed?)) {
                        Ok(()) => break,
                        Err(error) if self.0.send_replace(State::Closed) == State::Doubted => error!(
                            error = error.as_ref() as &dyn std::error::Error,
                            "database does not answer: no jobs are taken until it does"
                        ),
                        Err(_) => (),
                    }
                }
                opened_at = Some(Instant::now());
                if self.0.send_replace(State::Open) == State::Closed {
                    info!("database takes writes again: jobs are taken");
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            () = probe => Ok(()),
        }
    }
}

fn waits() -> impl Iterator<Item = Duration> + use<> {
    ExponentialBuilder::default()
        .with_min_delay(PROBE_FIRST)
        .with_max_delay(PROBE_LAST)
        .with_jitter()
        .without_max_times()
        .build()
}
