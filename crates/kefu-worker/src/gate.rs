//! Work stops while the database is away.
//!
//! A worker without its database could only fail every job it takes. The gate closes on the first sign, the lanes
//! keep the backlog, and one prober opens it again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_store::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

const PROBE_FIRST: Duration = Duration::from_millis(200);
const PROBE_LAST: Duration = Duration::from_secs(5);
/// A gate that closes again sooner was opened too early.
const FLAP_MAX: Duration = Duration::from_secs(10);

/// Open while the database answers.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn open() -> Gate {
        Gate(watch::Sender::new(true))
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Said once, however many jobs notice at the same time.
    pub(crate) fn close(&self, cause: &(dyn std::error::Error + 'static)) {
        if self.0.send_if_modified(|open| std::mem::replace(open, false)) {
            error!(
                error = cause,
                "database does not answer: no jobs are taken until it does"
            );
        }
    }

    pub(crate) async fn opened(&self) {
        self.wait_for(true).await;
    }

    pub(crate) async fn closed(&self) {
        self.wait_for(false).await;
    }

    /// Waits at most `limit` for the gate to open.
    pub(crate) async fn opens_within(&self, limit: Duration) -> bool {
        timeout(limit, self.opened()).await.is_ok()
    }

    async fn wait_for(&self, wanted: bool) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.0.subscribe().wait_for(|open| *open == wanted).await;
    }

    /// Probes the database whenever the gate is closed, for ever.
    pub(crate) async fn run(self, store: Store, stop: CancellationToken) -> anyhow::Result<()> {
        let mut waits = waits();
        let mut opened_at: Option<Instant> = None;
        let probe = async {
            loop {
                self.closed().await;
                // Closed again at once: it answers probes and not the work, so the waits go on growing.
                if opened_at.is_none_or(|at: Instant| FLAP_MAX < at.elapsed()) {
                    waits = self::waits();
                }
                // The first wait comes before the first probe: work that fails while probes succeed may not spin.
                loop {
                    sleep(waits.next().unwrap_or(PROBE_LAST)).await;
                    if store.probe().await.is_ok() {
                        break;
                    }
                }
                opened_at = Some(Instant::now());
                self.0.send_replace(true);
                info!("database takes writes again: jobs are taken");
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
