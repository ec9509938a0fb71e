//! How a process that must not wait makes a job durable: at the broker, else on its own disk.
//!
//! The spool is the embedded queue's file under another name: locked, synced before the answer, bounded in bytes.
//! What lies in it is handed to the broker with the same ids as soon as that takes messages again.

mod drain;
mod driver;
mod folder;
mod gate;
mod health;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use metrics::counter;
use thiserror::Error;
use tokio::sync::watch;

pub use self::driver::SpoolDriver;
use self::gate::Gate;
use self::health::{Episode, Trouble};
pub use self::health::{SpoolHealth, SpoolState};
use crate::copy;
use crate::delivery::Source;
use crate::embedded::Embedded;
use crate::job::BODY_BYTES_MAX;
use crate::lock::lock;
use crate::{Job, Lane, PublishError, Queue, QueueError, QueueSettings};

/// How long the broker may take where there is no spool. WeCom hangs up after 5 s (doc 91116), and calls again.
const CONFIRM_WITHIN: Duration = Duration::from_secs(3);

/// Longest wait for the broker (`queue.spool_after`) and for the spool together. A late 200 is better
/// than a 503: a busy disk can take a second or two.
const KEEP_WITHIN: Duration = Duration::from_secs(4);

/// Where jobs go: to the broker, or to the spool while the broker takes none. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet {
    queue: Queue,
    spool: Option<Arc<Spool>>,
}

/// Whether a job may overtake others of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It may: jobs like it are only ever merged.
    Any,
    /// It stays behind those that wait in the spool.
    Fifo,
}

/// Where a job is durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Broker,
    Spool,
}

/// Why a job is not known to be durable anywhere. Trying again with the same id is always right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotKept {
    /// There is no spool, or none that takes such a job.
    #[error(transparent)]
    Queue(#[from] PublishError),
    #[error("{broker}; the spool is full")]
    SpoolFull { broker: String },
    #[error("{broker}; the spool cannot write")]
    SpoolBroken { broker: String },
}

/// What the outlet and its driver share.
#[derive(Debug)]
struct Spool {
    queue: Queue,
    own: Embedded,
    /// Files of processes that ended; theirs is older than ours.
    adopted: watch::Sender<Vec<Embedded>>,
    gate: Gate,
    /// The longest a callback waits for the broker.
    after: Duration,
    /// Own and adopted files together.
    bytes_max: u64,
    trouble: Mutex<Trouble>,
    /// Since the spool was empty.
    episode: Mutex<Option<Episode>>,
}

impl Outlet {
    /// Opens the spool, if the settings have one, and takes over what dead processes left in its folder.
    ///
    /// Errors are refusals that name `queue.spool`. `Queue::open` has checked the other keys.
    pub async fn open(queue: Queue, settings: &QueueSettings) -> Result<(Outlet, SpoolDriver), QueueError> {
        if !settings.has_spool() {
            let outlet = Outlet { queue, spool: None };
            return Ok((outlet, SpoolDriver::off()));
        }
        let (spool, driver) = driver::open(queue.clone(), settings).await?;
        let spool = Some(spool);
        Ok((Outlet { queue, spool }, driver))
    }

    /// Makes the job durable; takes at most 4 s, without a spool 3 s.
    pub async fn keep(&self, job: &Job, order: Order) -> Result<Kept, NotKept> {
        match &self.spool {
            Some(spool) => spool.keep(job, order).await,
            None => {
                self.queue.publish(job, CONFIRM_WITHIN).await?;
                Ok(Kept::Broker)
            }
        }
    }

    /// Why the broker takes nothing at present.
    pub fn broker_trouble(&self) -> Option<String> {
        match &self.spool {
            Some(spool) => spool.broker_trouble(),
            None => gate::trouble_of(&self.queue.health()),
        }
    }

    /// What the broker's engine says of itself when nothing is wrong.
    pub fn queue_detail(&self) -> String {
        self.queue.health().detail
    }

    /// `None` without a spool.
    pub fn spool_health(&self) -> Option<SpoolHealth> {
        self.spool.as_ref().map(|spool| spool.health())
    }
}

impl Spool {
    async fn keep(&self, job: &Job, order: Order) -> Result<Kept, NotKept> {
        let ends_at = Instant::now() + KEEP_WITHIN;
        let lane = waiting_lane(job.lane, order);
        let behind = order == Order::Fifo && self.holds(lane);
        let broker = if behind {
            "older jobs of its lane wait in the spool".to_owned()
        } else if self.gate.is_silent() {
            gate::NOT_CONFIRMED.to_owned()
        } else {
            match self.publish(job, self.after).await {
                Ok(()) => return Ok(Kept::Broker),
                Err(error @ PublishError::TooLarge { .. }) => return Err(error.into()),
                Err(error) => error.to_string(),
            }
        };
        let left = ends_at.saturating_duration_since(Instant::now());
        let written = self.write(lane, job, &broker, left).await;
        let Err(error) = written else {
            return Ok(Kept::Spool);
        };
        let left = ends_at.saturating_duration_since(Instant::now());
        // With a spool that takes nothing nobody else may ask the broker how it is; one job at a time does.
        if !behind
            && self.gate.is_silent()
            && !left.is_zero()
            && let Ok(_probe) = self.gate.probe.try_lock()
            && self.publish(job, self.after.min(left)).await.is_ok()
        {
            return Ok(Kept::Broker);
        }
        Err(error)
    }

    async fn publish(&self, job: &Job, within: Duration) -> Result<(), PublishError> {
        let outcome = self.queue.publish(job, within).await;
        self.gate.note(&outcome);
        outcome
    }

    async fn write(&self, lane: Lane, job: &Job, broker: &str, within: Duration) -> Result<(), NotKept> {
        let body = job.encode();
        let bytes = body.len() as u64;
        if (BODY_BYTES_MAX as u64) < bytes {
            return Err(PublishError::TooLarge { bytes: body.len() }.into());
        }
        let copy = copy::of_job(job, body);
        let written = if self.bytes_max < self.stock().bytes + bytes {
            Err(PublishError::Nacked)
        } else {
            self.own.publish(lane, copy, within).await
        };
        match written {
            Ok(()) => {
                counter!("kefu_spooled_total").increment(1);
                self.note_written(broker);
                Ok(())
            }
            Err(PublishError::Nacked) => {
                lock(&self.trouble).refused_bytes = bytes;
                let broker = broker.to_owned();
                Err(NotKept::SpoolFull { broker })
            }
            Err(_) => {
                lock(&self.trouble).broken_at = Some(Instant::now());
                let broker = broker.to_owned();
                Err(NotKept::SpoolBroken { broker })
            }
        }
    }

    fn holds(&self, lane: Lane) -> bool {
        let holds = |file: &Embedded| 0 < file.stock().of(Source::Lane(lane));
        holds(&self.own) || self.adopted.borrow().iter().any(holds)
    }
}

/// Where in the file a job waits: the high lane is handed over many at a time, the others one by one.
fn waiting_lane(lane: Lane, order: Order) -> Lane {
    match (order, lane) {
        (Order::Any, _) => Lane::High,
        (Order::Fifo, Lane::High | Lane::Medium) => Lane::Medium,
        (Order::Fifo, Lane::Low) => Lane::Low,
    }
}

#[cfg(test)]
mod tests {
    use kefu_domain::Millis;
    use secrecy::SecretString;
    use serde_json::Value;
    use tempfile::TempDir;
    use tokio::task::JoinSet;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::Roles;

    const SOON: Duration = Duration::from_secs(20);

    /// Another embedded queue plays the broker: it always answers.
    async fn broker(folder: &TempDir) -> (Queue, QueueSettings, JoinSet<()>) {
        let settings = QueueSettings {
            url: SecretString::from(format!("sqlite:{}", folder.path().join("queue.db").display())),
            prefix: "kefu".to_owned(),
            spool: folder.path().join("spool").display().to_string(),
            spool_after: Duration::from_secs(3),
            spool_max: 1 << 30,
            retry_steps: "5s".to_owned(),
        };
        let (queue, driver) = Queue::open(&settings, Roles::Both, None).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            driver.run(CancellationToken::new()).await.unwrap();
        });
        (queue, settings, tasks)
    }

    fn job(lane: Lane) -> Job {
        Job::new("app.event", "default", lane, Value::Null, Millis(0))
    }

    #[tokio::test]
    async fn behind_spooled_events_only_events_of_their_lane_wait() {
        let folder = TempDir::new().unwrap();
        let (queue, settings, mut tasks) = broker(&folder).await;
        let (spool, driver) = driver::open(queue, &settings).await.unwrap();
        // Written, but not handed over.
        let writer = driver.writer_alone();
        tasks.spawn(async move { drop(writer.run(CancellationToken::new()).await) });
        spool
            .write(Lane::Low, &job(Lane::Low), "gone", KEEP_WITHIN)
            .await
            .unwrap();
        for (lane, order, expected) in [
            (Lane::Low, Order::Fifo, Kept::Spool),
            (Lane::Medium, Order::Fifo, Kept::Broker),
            (Lane::High, Order::Any, Kept::Broker),
            (Lane::Low, Order::Any, Kept::Broker),
        ] {
            assert_eq!(
                spool.keep(&job(lane), order).await,
                Ok(expected),
                "{lane} {order:?}"
            );
        }
        assert_eq!(spool.stock().jobs, 2);
    }

    #[tokio::test]
    async fn a_file_left_behind_later_is_found_without_a_restart() {
        let folder = TempDir::new().unwrap();
        let (queue, settings, mut tasks) = broker(&folder).await;
        let (dying, driver) = driver::open(queue.clone(), &settings).await.unwrap();
        let (spool, found) = driver::open(queue.clone(), &settings).await.unwrap();
        tasks.spawn(
            found
                .adopt_every(Duration::from_millis(20))
                .run(CancellationToken::new()),
        );
        let stop = CancellationToken::new();
        let writer = driver.writer_alone();
        let (stopped, kept) = (stop.clone(), dying.clone());
        let writing = async move { drop(writer.run(stopped).await) };
        let keeping = async {
            kept.write(Lane::Low, &job(Lane::Low), "gone", KEEP_WITHIN)
                .await
                .unwrap();
            stop.cancel();
        };
        tokio::join!(writing, keeping);
        let mut consumer = queue.consumer(Lane::Low);
        let came = timeout(SOON, consumer.next(&CancellationToken::new()))
            .await
            .unwrap();
        assert!(came.is_some() && spool.stock().jobs <= 1);
    }
}
