use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kefu_domain::counted;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Spool;
use super::drain::Drain;
use super::folder::{Folder, Opened};
use super::gate::Gate;
use super::health::Trouble;
#[cfg(test)]
use crate::embedded::Writer;
use crate::embedded::{Closed, Embedded};
use crate::{Lane, Queue, QueueError, QueueSettings};

/// How often files of processes that ended are looked for.
const ADOPT_EVERY: Duration = Duration::from_secs(60);

/// Writes the spool and hands it over to the broker.
#[must_use = "nothing is written or handed over unless the driver runs"]
pub struct SpoolDriver {
    work: Option<Work>,
}

struct Work {
    spool: Arc<Spool>,
    folder: Folder,
    own: Opened,
    orphans: Vec<Opened>,
    adopt_every: Duration,
}

pub(super) async fn open(
    queue: Queue,
    settings: &QueueSettings,
) -> Result<(Arc<Spool>, SpoolDriver), QueueError> {
    let ladder = queue.shared_ladder();
    let mut folder = Folder::new(&settings.spool, &settings.prefix, ladder, settings.spool_max);
    let own = folder.create().await?;
    let orphans = folder.adopt().await;
    let spool = Arc::new(Spool {
        queue,
        own: own.file.clone(),
        adopted: watch::Sender::new(files(&orphans)),
        gate: Gate::default(),
        after: settings.spool_after,
        bytes_max: settings.spool_max,
        trouble: Mutex::new(Trouble::default()),
        episode: Mutex::default(),
    });
    let work = Work {
        spool: Arc::clone(&spool),
        folder,
        own,
        orphans,
        adopt_every: ADOPT_EVERY,
    };
    Ok((spool, SpoolDriver { work: Some(work) }))
}

impl SpoolDriver {
    pub(super) fn off() -> SpoolDriver {
        SpoolDriver { work: None }
    }

    /// Runs until `stop`, then closes the file, and deletes it if nothing is left in it.
    ///
    /// Give it a token that fires after the last `keep`, and before that of the queue's driver.
    pub async fn run(self, stop: CancellationToken) {
        match self.work {
            Some(work) => work.run(&stop).await,
            None => stop.cancelled().await,
        }
    }
}

#[cfg(test)]
impl SpoolDriver {
    pub(super) fn writer_alone(self) -> Writer {
        self.work.unwrap().own.writer
    }

    pub(super) fn adopt_every(mut self, every: Duration) -> SpoolDriver {
        self.work.as_mut().unwrap().adopt_every = every;
        self
    }
}

impl Work {
    async fn run(self, stop: &CancellationToken) {
        let Work {
            spool,
            folder,
            own,
            orphans,
            adopt_every,
        } = self;
        let writer_stop = CancellationToken::new();
        let working = async {
            tokio::join!(
                drain_own(&spool, stop),
                adopt(&spool, folder, orphans, adopt_every, stop),
                spool.report(stop),
            );
            writer_stop.cancel();
        };
        let (closed, ()) = tokio::join!(own.writer.run(writer_stop.clone()), working);
        delete(closed);
    }
}

/// The own file cannot be given up: what it does not give today it may give tomorrow.
async fn drain_own(spool: &Spool, stop: &CancellationToken) {
    let drain = |lane| drain_own_lane(spool, lane, stop);
    tokio::join!(drain(Lane::High), drain(Lane::Medium), drain(Lane::Low));
}

async fn drain_own_lane(spool: &Spool, lane: Lane, stop: &CancellationToken) {
    let file = &spool.own;
    let drain = Drain { spool, file, lane };
    while let Err(error) = drain.run(stop).await {
        error!(error = %error, lane = %lane, "disk spool cannot be read; trying on");
    }
}

/// Takes over what dead processes left, one file after the other, oldest first.
async fn adopt(
    spool: &Spool,
    mut folder: Folder,
    mut orphans: Vec<Opened>,
    every: Duration,
    stop: &CancellationToken,
) {
    loop {
        for orphan in orphans {
            let path = orphan.path.clone();
            let drained = drain_orphan(spool, orphan, stop).await;
            if stop.is_cancelled() {
                return;
            }
            if let Err(reason) = drained {
                folder.give_up(path, &reason);
            }
        }
        if stop.run_until_cancelled(sleep(every)).await.is_none() {
            return;
        }
        orphans = folder.adopt().await;
        spool.adopted.send_replace(files(&orphans));
    }
}

async fn drain_orphan(spool: &Spool, orphan: Opened, stop: &CancellationToken) -> Result<(), String> {
    let Opened { path, file, writer } = orphan;
    let jobs = file.stock().jobs();
    if 0 < jobs {
        let path = path.display().to_string();
        info!(
            path,
            jobs,
            "taking over {} from the spool of a process that ended",
            counted(jobs, "job")
        );
    }
    let writer_stop = CancellationToken::new();
    let draining = async {
        let drain = |lane| drain_lane(spool, &file, lane, stop);
        let mut stock = file.watch_stock();
        let outcome = tokio::select! {
            // Its sender is held by the file itself.
            _ = stock.wait_for(|stock| stock.jobs() == 0) => Ok(()),
            outcome = async {
                tokio::try_join!(drain(Lane::High), drain(Lane::Medium), drain(Lane::Low)).map(drop)
            } => outcome,
        };
        writer_stop.cancel();
        outcome
    };
    let (closed, outcome) = tokio::join!(writer.run(writer_stop.clone()), draining);
    spool
        .adopted
        .send_modify(|adopted| adopted.retain(|other| !other.is(&file)));
    let deleted = delete(closed);
    match outcome {
        Err(error) => Err(error.to_string()),
        Ok(()) if !deleted && !stop.is_cancelled() => Err("it cannot be deleted".to_owned()),
        Ok(()) => Ok(()),
    }
}

async fn drain_lane(
    spool: &Spool,
    file: &Embedded,
    lane: Lane,
    stop: &CancellationToken,
) -> Result<(), QueueError> {
    Drain { spool, file, lane }.run(stop).await
}

/// Whether the file is gone.
fn delete(closed: Closed) -> bool {
    match closed.delete_if_empty() {
        Ok(deleted) => deleted,
        Err(error) => {
            warn!(error = %error, "empty spool file cannot be deleted");
            false
        }
    }
}

fn files(opened: &[Opened]) -> Vec<Embedded> {
    opened.iter().map(|opened| opened.file.clone()).collect()
}

impl fmt::Debug for SpoolDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolDriver").finish_non_exhaustive()
    }
}
