use std::time::{Duration, Instant};

use kefu_domain::counted;
use metrics::{counter, gauge};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Spool, gate};
use crate::lock::lock;

/// A write that failed is trouble for so long: two rounds of health probes.
const BROKEN_SHOWN: Duration = Duration::from_secs(10);

/// How often the gauges are set and an end of the spooling is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How the spool is, with a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolHealth {
    pub state: SpoolState,
    /// That wait in it, files of dead processes included.
    pub jobs: u64,
    pub bytes: u64,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpoolState {
    Empty,
    /// Jobs wait for the broker.
    Holding,
    /// It refused a job that would still not fit.
    Full,
    /// It could not write just now.
    Broken,
}

/// From the first job written to the last one handed over.
#[derive(Debug)]
pub(super) struct Episode {
    since: Instant,
    written: u64,
    drained: u64,
}

/// What went wrong last.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Size of the last job that did not fit.
    pub(super) refused_bytes: u64,
    pub(super) broken_at: Option<Instant>,
}

/// All files together.
pub(super) struct Held {
    pub(super) jobs: u64,
    pub(super) bytes: u64,
}

impl Spool {
    pub(super) fn stock(&self) -> Held {
        let own = self.own.stock();
        let mut held = Held {
            jobs: own.jobs(),
            bytes: own.bytes(),
        };
        for file in self.adopted.borrow().iter() {
            held.jobs += file.stock().jobs();
            held.bytes += file.stock().bytes();
        }
        held
    }

    pub(super) fn broker_trouble(&self) -> Option<String> {
        let silent = || self.gate.is_silent().then(|| gate::NOT_CONFIRMED.to_owned());
        gate::trouble_of(&self.queue.health()).or_else(silent)
    }

    pub(super) fn health(&self) -> SpoolHealth {
        let Held { jobs, bytes } = self.stock();
        let holds = format!("holds {} of {}", counted(jobs, "job"), counted(bytes, "byte"));
        let (state, detail) = {
            let trouble = lock(&self.trouble);
            if trouble.broken_at.is_some_and(|at| at.elapsed() < BROKEN_SHOWN) {
                let detail = format!("cannot write to its folder, queue.spool; {holds}");
                (SpoolState::Broken, detail)
            } else if self.bytes_max < bytes + trouble.refused_bytes.max(1) {
                let detail = format!("full: {holds}, queue.spool_max is {}", self.bytes_max);
                (SpoolState::Full, detail)
            } else if jobs == 0 {
                (SpoolState::Empty, "empty".to_owned())
            } else {
                (SpoolState::Holding, holds)
            }
        };
        let detail = match (state, self.broker_trouble()) {
            (SpoolState::Empty, _) => detail,
            (_, Some(trouble)) => format!("{detail}; {trouble}"),
            (_, None) => format!("{detail}; the broker is taking them"),
        };
        SpoolHealth {
            state,
            jobs,
            bytes,
            detail,
        }
    }

    pub(super) fn note_written(&self, broker: &str) {
        let mut trouble = lock(&self.trouble);
        trouble.broken_at = None;
        drop(trouble);
        let mut episode = lock(&self.episode);
        let episode = episode.get_or_insert_with(|| {
            warn!(reason = broker, "jobs go to the disk spool: {broker}");
            Episode::begin()
        });
        episode.written += 1;
    }

    pub(super) fn note_drained(&self, count: u64) {
        let mut episode = lock(&self.episode);
        episode.get_or_insert_with(Episode::begin).drained += count;
    }

    /// Sets the gauges and tells of the end of the spooling, until `stop`.
    pub(super) async fn report(&self, stop: &CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        counter!("kefu_spooled_total").increment(0);
        counter!("kefu_spool_drained_total").increment(0);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.look();
        }
        self.look();
    }

    fn look(&self) {
        let Held { jobs, bytes } = self.stock();
        gauge!("kefu_spool_depth").set(jobs as f64);
        gauge!("kefu_spool_bytes").set(bytes as f64);
        if jobs == 0
            && let Some(episode) = lock(&self.episode).take()
        {
            lock(&self.trouble).refused_bytes = 0;
            let Episode {
                since,
                written,
                drained,
            } = episode;
            let seconds = since.elapsed().as_secs();
            info!(
                written,
                drained,
                "disk spool is empty again after {seconds} s: {} written, {drained} handed over",
                counted(written, "job")
            );
        }
    }
}

impl Episode {
    fn begin() -> Episode {
        Episode {
            since: Instant::now(),
            written: 0,
            drained: 0,
        }
    }
}
