use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use kefu_domain::counted;
use sqlx::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::file::{Closed, QueueFile};
use super::outage::Outage;
use super::slot::Taken;
use super::stock::Stock;
use super::{Command, Shared, Waiting, statements};
use crate::delivery::{Settlement, Source};
use crate::lock::lock;
use crate::{Depths, PublishError, QueueError};

/// A transaction takes at most this many commands …
const GROUP_MAX: usize = 256;

/// … and no new one after this time, so that the first does not wait for the last.
const GROUP_TIME_MAX: Duration = Duration::from_millis(5);

/// Retry steps are looked at this often at least: the wall clock they are kept in may jump.
const DUE_CHECK_MAX: Duration = Duration::from_secs(1);

/// The wait after a transaction failed.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for SQLite to close the file.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The only one who touches the file.
pub(crate) struct Writer {
    file: QueueFile,
    inbox: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    stock: Stock,
    /// All bodies together; beyond it publishing is refused.
    bytes_max: u64,
    /// Slots that wait for a message.
    waiting: HashMap<Source, VecDeque<oneshot::Sender<Taken>>>,
    /// Queues not known to be empty.
    maybe_ready: HashSet<Source>,
    /// When retry steps are looked at next; `None` while nothing waits in them.
    due: Option<Instant>,
    outage: Outage,
}

/// What is told once the transaction is durable. Dropping an answer untold tells of the failure.
enum Answer {
    Published(
        oneshot::Sender<Result<(), PublishError>>,
        Result<(), PublishError>,
    ),
    Taken(oneshot::Sender<Taken>, Taken),
    Settled(oneshot::Sender<()>),
    Depths(oneshot::Sender<Depths>, Depths),
    Peeked(oneshot::Sender<Vec<Waiting>>, Vec<Waiting>),
    Removed(oneshot::Sender<()>),
}

impl Writer {
    pub(super) async fn new(
        mut file: QueueFile,
        inbox: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
        bytes_max: u64,
    ) -> Result<Writer, QueueError> {
        let opened = async {
            let mut transaction = file.connection.begin().await?;
            statements::void_leases(&mut transaction).await?;
            transaction.commit().await?;
            statements::stock(&mut file.connection).await
        };
        let stock = opened
            .await
            .map_err(|reason| QueueError::engine(&file.shown, &reason))?;
        shared.stock.send_replace(stock);
        Ok(Writer {
            file,
            inbox,
            shared,
            stock,
            bytes_max,
            waiting: HashMap::new(),
            maybe_ready: Source::ALL.into(),
            due: Some(Instant::now()),
            outage: Outage::default(),
        })
    }

    /// Until `stop`; then the file is closed.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Closed {
        let shared = Arc::clone(&self.shared);
        loop {
            let due = self.due;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(command) = self.inbox.recv() => self.commit(Some(command)).await,
                () = shared.wake.notified() => self.commit(None).await,
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    self.commit(None).await;
                }
            }
        }
        self.close().await
    }

    /// Whoever was fast enough still gets an answer; later callers find the queue closed.
    async fn close(mut self) -> Closed {
        self.inbox.close();
        while let Ok(command) = self.inbox.try_recv() {
            self.commit(Some(command)).await;
        }
        self.commit(None).await;
        self.shared.set_health(false, "closed");
        let path = self.file.shown;
        match timeout(CLOSE_TIMEOUT, self.file.connection.close()).await {
            Ok(Ok(())) => info!(path, "embedded queue closed"),
            Ok(Err(error)) => error!(path, error = %error, "embedded queue did not close cleanly"),
            Err(_) => error!(path, "embedded queue did not close in time"),
        }
        Closed {
            path: self.file.path,
            stock: self.stock,
            _lock: self.file.lock,
        }
    }

    /// One transaction over `first` and what else waits; answers are given after its commit.
    async fn commit(&mut self, first: Option<Command>) {
        let abandoned = mem::take(&mut *lock(&self.shared.abandoned));
        let stock_before = self.stock;
        let mut answers = Vec::new();
        match self.write(first, &abandoned, &mut answers).await {
            Ok(()) => {
                if let Some(took) = self.outage.ended(Instant::now()) {
                    let seconds = counted(took.as_secs(), "second");
                    info!(
                        path = self.file.shown,
                        "embedded queue writes again after {seconds}"
                    );
                }
                self.shared.set_health(true, "embedded");
                // Before the answers: whoever has one must find his job counted.
                self.shared.set_stock(self.stock);
                answers.into_iter().for_each(Answer::tell);
            }
            Err(error) => {
                if let Some(more) = self.outage.failed(Instant::now()) {
                    error!(path = self.file.shown, more, error = %error, "embedded queue cannot write: {error}");
                }
                self.shared
                    .set_health(false, "the embedded queue cannot write its file");
                // Fails when SQLite has rolled back by itself, which is as good.
                let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.file.connection).await;
                self.stock = stock_before;
                drop(answers);
                lock(&self.shared.abandoned).extend(abandoned);
                self.due = Some(Instant::now());
                sleep(FAILURE_PAUSE).await;
            }
        }
    }

    async fn write(
        &mut self,
        first: Option<Command>,
        abandoned: &[i64],
        answers: &mut Vec<Answer>,
    ) -> sqlx::Result<()> {
        let started = Instant::now();
        sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut self.file.connection)
            .await?;
        for seq in abandoned {
            statements::requeue(&mut self.file.connection, &mut self.stock, *seq).await?;
            self.everything_may_be_ready();
        }
        let mut look_at_steps = self.due.is_some_and(|due| due <= started);
        if look_at_steps {
            statements::release_due(&mut self.file.connection).await?;
            self.everything_may_be_ready();
        }
        let mut next = first;
        let mut count = 0;
        while let Some(command) = next {
            look_at_steps |= matches!(
                &command,
                Command::Settle {
                    settlement: Settlement::Later { .. },
                    ..
                }
            );
            self.execute(command, answers).await?;
            count += 1;
            let room = count < GROUP_MAX && started.elapsed() < GROUP_TIME_MAX;
            next = if room { self.inbox.try_recv().ok() } else { None };
        }
        self.serve(answers).await?;
        sqlx::raw_sql("COMMIT").execute(&mut self.file.connection).await?;
        if look_at_steps {
            // What was committed stays so even if this fails; then it is asked again.
            let wait = statements::next_due(&mut self.file.connection).await;
            let wait = wait.unwrap_or(Some(DUE_CHECK_MAX));
            self.due = wait.map(|wait| Instant::now() + wait.min(DUE_CHECK_MAX));
        }
        Ok(())
    }

    async fn execute(&mut self, command: Command, answers: &mut Vec<Answer>) -> sqlx::Result<()> {
        let connection = &mut self.file.connection;
        match command {
            Command::Publish { lane, copy, answer } => {
                if self.bytes_max < self.stock.bytes() + copy.body.len() as u64 {
                    answers.push(Answer::Published(answer, Err(PublishError::Nacked)));
                    return Ok(());
                }
                statements::insert(connection, &mut self.stock, lane, &copy).await?;
                self.maybe_ready.insert(Source::Lane(lane));
                answers.push(Answer::Published(answer, Ok(())));
            }
            Command::Settle {
                seq,
                settlement,
                answer,
            } => {
                let (stock, ladder) = (&mut self.stock, &self.shared.ladder);
                statements::settle(connection, stock, seq, &settlement, ladder).await?;
                match settlement {
                    Settlement::Ack | Settlement::Later { .. } => (),
                    Settlement::Requeue | Settlement::Bury { .. } => self.everything_may_be_ready(),
                }
                answers.push(Answer::Settled(answer));
            }
            Command::Take { source, answer } => {
                let waiting = self.waiting.entry(source).or_default();
                waiting.retain(|waiting| !waiting.is_closed());
                waiting.push_back(answer);
            }
            Command::Depths { answer } => {
                let depths = statements::depths(connection, &self.shared.ladder).await?;
                answers.push(Answer::Depths(answer, depths));
            }
            Command::Peek {
                source,
                count_max,
                answer,
            } => {
                let waiting = statements::peek(connection, source, count_max).await?;
                answers.push(Answer::Peeked(answer, waiting));
            }
            Command::Remove { seqs, answer } => {
                for seq in seqs {
                    statements::remove(connection, &mut self.stock, seq).await?;
                }
                answers.push(Answer::Removed(answer));
            }
        }
        Ok(())
    }

    /// Hands ready messages to slots that wait, oldest first.
    async fn serve(&mut self, answers: &mut Vec<Answer>) -> sqlx::Result<()> {
        for (source, waiting) in &mut self.waiting {
            while self.maybe_ready.contains(source)
                && let Some(answer) = waiting.pop_front()
            {
                if answer.is_closed() {
                    continue;
                }
                match statements::take(&mut self.file.connection, *source, &self.shared).await? {
                    Some(taken) => answers.push(Answer::Taken(answer, taken)),
                    None => {
                        waiting.push_front(answer);
                        self.maybe_ready.remove(source);
                    }
                }
            }
        }
        Ok(())
    }

    fn everything_may_be_ready(&mut self) {
        self.maybe_ready.extend(Source::ALL);
    }
}

impl Answer {
    /// Whoever stopped waiting has no use for it; a lease nobody takes puts itself back.
    fn tell(self) {
        let _ = match self {
            Answer::Published(answer, result) => answer.send(result).map_err(|_| ()),
            Answer::Taken(answer, taken) => answer.send(taken).map_err(|_| ()),
            Answer::Settled(answer) => answer.send(()),
            Answer::Depths(answer, depths) => answer.send(depths).map_err(|_| ()),
            Answer::Peeked(answer, waiting) => answer.send(waiting).map_err(|_| ()),
            Answer::Removed(answer) => answer.send(()),
        };
    }
}
