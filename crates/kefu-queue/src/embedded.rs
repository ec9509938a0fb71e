//! The queue of one process: a SQLite file with one writer.

mod file;
mod outage;
mod slot;
mod statements;
mod stock;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

pub(crate) use self::file::{Closed, Missing, path};
pub(crate) use self::slot::{Receipt, Slot};
pub(crate) use self::stock::Stock;
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
const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Deliveries a message survives without being settled: one more, then it is dead. As on the broker.
const DELIVERY_LIMIT: i64 = 20;

#[derive(Clone, Debug)]
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
    stock: watch::Sender<Stock>,
}

/// A ready message that was only looked at.
pub(crate) struct Waiting {
    pub(crate) seq: i64,
    pub(crate) body: Vec<u8>,
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
    Peek {
        source: Source,
        count_max: u32,
        answer: oneshot::Sender<Vec<Waiting>>,
    },
    Remove {
        seqs: Vec<i64>,
        answer: oneshot::Sender<()>,
    },
}

/// Opens or creates the file that `queue.url` names; nothing is published before the writer runs.
pub(crate) async fn open(url_path: &str, ladder: Arc<Ladder>) -> Result<(Embedded, Writer), QueueError> {
    open_file(&file::path(url_path)?, Missing::Create, ladder, BYTES_MAX).await
}

/// `bytes_max` bounds all bodies together.
pub(crate) async fn open_file(
    path: &Path,
    missing: Missing,
    ladder: Arc<Ladder>,
    bytes_max: u64,
) -> Result<(Embedded, Writer), QueueError> {
    let file = file::open(path, missing).await?;
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
        stock: watch::Sender::default(),
    });
    let writer = Writer::new(file, inbox, Arc::clone(&shared), bytes_max).await?;
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
        self.ask(|answer| Command::Depths { answer }).await
    }

    /// The oldest ready messages, at most `count_max`; they stay and are free for others.
    pub(crate) async fn peek(&self, source: Source, count_max: u32) -> Result<Vec<Waiting>, QueueError> {
        let peek = |answer| Command::Peek {
            source,
            count_max,
            answer,
        };
        self.ask(peek).await
    }

    /// Deletes messages for good, in one transaction.
    pub(crate) async fn remove(&self, seqs: Vec<i64>) -> Result<(), QueueError> {
        self.ask(|answer| Command::Remove { seqs, answer }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, QueueError> {
        let (answer, answered) = oneshot::channel();
        let closed = || QueueError::Unavailable {
            reason: "the embedded queue is closed or cannot use its file".to_owned(),
        };
        let asked = async {
            self.commands.send(command(answer)).await.map_err(|_| closed())?;
            answered.await.map_err(|_| closed())
        };
        let late = |_| QueueError::TimedOut {
            after: ANSWER_TIMEOUT,
        };
        timeout(ANSWER_TIMEOUT, asked).await.map_err(late)?
    }

    /// Whether both are the same open file.
    pub(crate) fn is(&self, other: &Embedded) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    pub(crate) fn stock(&self) -> Stock {
        *self.shared.stock.borrow()
    }

    /// Tells of every change of the stock.
    pub(crate) fn watch_stock(&self) -> watch::Receiver<Stock> {
        self.shared.stock.subscribe()
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

    fn set_stock(&self, stock: Stock) {
        self.stock.send_if_modified(|known| {
            let changed = *known != stock;
            *known = stock;
            changed
        });
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
        let (queue, writer) = open_file(&path, Missing::Create, ladder, 100).await.unwrap();
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
        assert_eq!((queue.stock().jobs(), queue.stock().bytes()), (1, 60));
        stop.cancel();
        let closed = tasks.join_next().await.unwrap().unwrap();
        assert!(!closed.delete_if_empty().unwrap() && path.exists());
    }
}
