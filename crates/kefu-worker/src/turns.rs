//! Publishing turns, after the time in which a customer may add to what was said.
//!
//! The wait happens here and not in a slot: a slot that sleeps answers nobody. It may be lost with the process,
//! for the row's `wake_at` stands behind it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kefu_domain::{ConversationKey, Millis, counted};
use kefu_jobs::{DrainConversation, JobKind, PUBLISH_WITHIN, stand_in};
use kefu_process::crash::crash_point;
use kefu_process::{clock, trace};
use kefu_queue::{Job, Queue};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Conversations that wait at most; further ones are published at once.
const WAITING_MAX: usize = 10_000;
/// Publishes at the same time.
const PUBLISH_CONCURRENCY: usize = 16;
/// Longest time for what waits at the end of the process.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// The turns that wait for their merge window.
#[derive(Debug)]
pub(crate) struct Turns {
    queue: Queue,
    merge_window: Duration,
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// In the order of `due_at`: all wait equally long.
    line: VecDeque<Entry>,
    keys: HashSet<ConversationKey>,
}

#[derive(Debug)]
struct Entry {
    due_at: Instant,
    turn: TurnJob,
}

/// A conversation that has something to settle.
#[derive(Clone, Debug)]
pub(crate) struct TurnJob {
    pub(crate) key: ConversationKey,
    pub(crate) app: String,
    pub(crate) trace: Option<String>,
    /// It stands in for a job that was lost or parked, so its failure counts like that one's.
    pub(crate) swept: bool,
}

impl Turns {
    pub(crate) fn new(queue: Queue, merge_window: Duration) -> Turns {
        Turns {
            queue,
            merge_window,
            waiting: Mutex::default(),
            added: Notify::new(),
        }
    }

    /// Publishes a turn for each conversation, after the merge window.
    pub(crate) async fn hurry(&self, app: &str, keys: impl IntoIterator<Item = ConversationKey>) {
        let trace = trace::current_traceparent();
        let turns = keys.into_iter().map(|key| TurnJob {
            key,
            app: app.to_owned(),
            trace: trace.clone(),
            swept: false,
        });
        let at_once = match self.merge_window.is_zero() {
            true => turns.collect(),
            false => self.wait(turns),
        };
        self.publish(at_once).await;
    }

    /// Publishes without any wait: the rows are late already.
    pub(crate) async fn publish(&self, turns: Vec<TurnJob>) {
        let failed = Mutex::new(Vec::new());
        let note = |error| failed.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        let note = &note;
        stream::iter(turns)
            .for_each_concurrent(PUBLISH_CONCURRENCY, |turn| async move {
                if let Err(error) = self.queue.publish(&job(&turn), PUBLISH_WITHIN).await {
                    note(error);
                }
            })
            .await;
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        // One line for all: a full queue refuses a whole sweep.
        if let Some(error) = failed.first() {
            warn!(
                error = error as &dyn std::error::Error,
                "{} not published, the rows will wake: {error}",
                counted(failed.len(), "turn")
            );
        }
    }

    /// Puts turns in line; gives back those for which there is no room.
    fn wait(&self, turns: impl Iterator<Item = TurnJob>) -> Vec<TurnJob> {
        let due_at = Instant::now() + self.merge_window;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut without_room = Vec::new();
        for turn in turns {
            if WAITING_MAX <= waiting.line.len() {
                without_room.push(turn);
            } else if waiting.keys.insert(turn.key.clone()) {
                waiting.line.push_back(Entry { due_at, turn });
            }
        }
        drop(waiting);
        self.added.notify_one();
        without_room
    }

    /// Publishes what still waits, at the end of the process: another one, or the next, need not wait for the rows.
    pub(crate) async fn flush(&self) {
        let waiting = self.take_due(Instant::now() + self.merge_window);
        // What is not published in time wakes by its row.
        let _ = timeout(FLUSH_WITHIN, self.publish(waiting)).await;
    }

    /// Publishes what becomes due, until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let publish = async {
            loop {
                match self.next_due_at() {
                    None => self.added.notified().await,
                    Some(due_at) => {
                        sleep_until(due_at).await;
                        let due = self.take_due(Instant::now());
                        crash_point("turns_due");
                        self.publish(due).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            () = publish => Ok(()),
        }
    }

    fn next_due_at(&self) -> Option<Instant> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.line.front().map(|entry| entry.due_at)
    }

    fn take_due(&self, now: Instant) -> Vec<TurnJob> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        while let Some(entry) = waiting.line.pop_front_if(|entry| entry.due_at <= now) {
            waiting.keys.remove(&entry.turn.key);
            due.push(entry.turn);
        }
        due
    }
}

fn job(turn: &TurnJob) -> Job {
    let mut job = DrainConversation::of(turn.key.clone()).job(&turn.app, Millis(clock::now_ms()));
    job.trace.clone_from(&turn.trace);
    match turn.swept {
        true => stand_in(job),
        false => job,
    }
}
