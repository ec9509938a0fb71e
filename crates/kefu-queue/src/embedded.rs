//! The queue of one process: a SQLite file with one writer.

mod file;
mod slot;
mod statements;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

pub(crate) use self::slot::{Receipt, Slot};
pub(crate) use self::writer::Writer;
use crate::copy::Copy;
use crate::delivery::{Settlement, Source};
use crate::lock::lock;
use crate::{Depths, Ladder, Lane, PublishError, QueueError, QueueHealth};

/// Commands that wait for the writer; publishers beyond them wait.
const COMMANDS_MAX: usize = 1024;

/// Longest wait for an answer that no caller bounds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// All bodies together, in bytes; beyond it publishing is refused. The broker's bound of one queue.
const BODIES_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Deliveries a message survives without being settled: one more, then it is dead. As on the broker.
const DELIVERY_LIMIT: i64 = 20;

#[derive(Clone)]
pub(crate) struct Embedded {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// What writer, slots and receipts share.
#[derive(Debug)]
pub(crate) struct Shared {
    ladder: Arc<Ladder>,
    /// Leases that were dropped unsettled; at most one per slot.
    abandoned: Mutex<Vec<i64>>,
    wake: Notify,
    health: Mutex<QueueHealth>,
}

/// What the writer does for others, each with its own answer.
pub(crate) enum Command {
    Publish {
        lane: Lane,
        copy: Copy,
        answer: oneshot::Sender<Result<(), PublishError>>,
    },
    Take {
        source: Source,
        answer: oneshot::Sender<slot::Taken>,
    },
    Settle {
        seq: i64,
        settlement: Settlement,
        answer: oneshot::Sender<()>,
    },
    Depths {
        answer: oneshot::Sender<Depths>,
    },
}

/// Opens or creates the file; nothing is published before the writer runs.
pub(crate) async fn open(path: &str, ladder: Arc<Ladder>) -> Result<(Embedded, Writer), QueueError> {
    open_bounded(path, ladder, BODIES_BYTES_MAX).await
}

async fn open_bounded(
    path: &str,
    ladder: Arc<Ladder>,
    bodies_bytes_max: u64,
) -> Result<(Embedded, Writer), QueueError> {
    let file = file::open(path).await?;
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let health = QueueHealth {
        connected: true,
        blocked: false,
        detail: "embedded".to_owned(),
    };
    let shared = Arc::new(Shared {
        ladder,
        abandoned: Mutex::default(),
        wake: Notify::new(),
        health: Mutex::new(health),
    });
    let writer = Writer::new(file, inbox, Arc::clone(&shared), bodies_bytes_max).await?;
    Ok((Embedded { commands, shared }, writer))
}

impl Embedded {
    pub(crate) async fn publish(&self, lane: Lane, copy: Copy, within: Duration) -> Result<(), PublishError> {
        let (answer, answered) = oneshot::channel();
        let published = async {
            let command = Command::Publish { lane, copy, answer };
            self.commands
                .send(command)
                .await
                .map_err(|_| PublishError::Unavailable)?;
            answered.await.map_err(|_| PublishError::Unavailable)?
        };
        timeout(within, published)
            .await
            .unwrap_or(Err(PublishError::TimedOut))
    }

    pub(crate) fn slot(&self, source: Source) -> Slot {
        Slot::new(source, self.clone())
    }

    pub(crate) async fn depths(&self) -> Result<Depths, QueueError> {
        let (answer, answered) = oneshot::channel();
        let closed = || QueueError::Unavailable {
            reason: "the embedded queue is closed".to_owned(),
        };
        let depths = async {
            self.commands
                .send(Command::Depths { answer })
                .await
                .map_err(|_| closed())?;
            answered.await.map_err(|_| closed())
        };
        let late = |_| QueueError::TimedOut {
            after: ANSWER_TIMEOUT,
        };
        timeout(ANSWER_TIMEOUT, depths).await.map_err(late)?
    }

    pub(crate) fn health(&self) -> QueueHealth {
        lock(&self.shared.health).clone()
    }
}

impl Shared {
    fn abandon(&self, seq: i64) {
        lock(&self.abandoned).push(seq);
        self.wake.notify_one();
    }

    fn set_health(&self, connected: bool, detail: &str) {
        let mut health = lock(&self.health);
        if health.connected != connected || health.detail != detail {
            *health = QueueHealth {
                connected,
                blocked: false,
                detail: detail.to_owned(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{Settled, Verdict};

    #[tokio::test]
    async fn a_full_queue_refuses_until_something_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let ladder = Arc::new(Ladder::parse("5s").unwrap());
        let (queue, writer) = open_bounded(path.to_str().unwrap(), ladder, 100).await.unwrap();
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(writer.run(stop.clone()));
        let publish = async || {
            let copy = Copy {
                body: vec![b'x'; 60],
                ..Copy::default()
            };
            queue.publish(Lane::Low, copy, ANSWER_TIMEOUT).await
        };
        assert_eq!(publish().await, Ok(()));
        assert_eq!(publish().await, Err(PublishError::Nacked));
        let delivery = queue.slot(Source::Lane(Lane::Low)).next().await;
        // A copy takes the place of its original, so that a full queue can still be worked off.
        let buried = Verdict::Dead {
            reason: "full".to_owned(),
            error: String::new(),
        };
        assert_eq!(delivery.settle(buried).await, Settled::Settled);
        assert_eq!(publish().await, Err(PublishError::Nacked));
        let letter = queue.slot(Source::Dead).next().await;
        assert_eq!(letter.settle(Verdict::Done).await, Settled::Settled);
        assert_eq!(publish().await, Ok(()));
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}
