use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use metrics::counter;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Spool;
use crate::backoff::backoff;
use crate::copy;
use crate::delivery::Source;
use crate::embedded::{Embedded, Waiting};
use crate::{InvalidEnvelope, Job, Lane, PublishError, QueueError};

/// Jobs read, published and deleted together: half of the publisher's channels, so that callbacks find free ones.
const BATCH_MAX: u32 = 32;

/// Longest wait for a confirm. Nobody waits behind it, and a slow broker must not get everything twice.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// Longest pause after a publish that failed.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether the broker is back.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// So many reads in a row fail before a file is given up.
const READ_FAILURES_MAX: u32 = 10;

/// Hands over what waits in one lane of a file.
pub(super) struct Drain<'a> {
    pub(super) spool: &'a Spool,
    pub(super) file: &'a Embedded,
    pub(super) lane: Lane,
}

impl Drain<'_> {
    /// Until `stop`; an error when the file cannot be read for good.
    pub(super) async fn run(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let (mut failures, mut read_failures) = (0, 0);
        while stop.run_until_cancelled(self.work()).await.is_some() {
            let outcome = match self.batch(stop).await {
                Ok(outcome) => {
                    read_failures = 0;
                    outcome
                }
                Err(error) => {
                    read_failures += 1;
                    if READ_FAILURES_MAX <= read_failures {
                        return Err(error);
                    }
                    stop.run_until_cancelled(sleep(pause(read_failures))).await;
                    continue;
                }
            };
            match outcome {
                Ok(()) => failures = 0,
                Err(error) => {
                    if failures == 0 {
                        warn!(error = %error, lane = %self.lane, "job from the disk spool not confirmed; trying on");
                    }
                    stop.run_until_cancelled(sleep(pause(failures))).await;
                    failures += 1;
                }
            }
        }
        Ok(())
    }

    /// Waits until something lies there and can be handed over.
    async fn work(&self) {
        let source = Source::Lane(self.lane);
        // Neither sender can go away before this: both are held by the file and the spool.
        let _ = self
            .file
            .watch_stock()
            .wait_for(|stock| 0 < stock.of(source))
            .await;
        if self.lane != Lane::High && self.file.is(&self.spool.own) {
            let _ = self.spool.adopted.subscribe().wait_for(Vec::is_empty).await;
        }
        while super::gate::trouble_of(&self.spool.queue.health()).is_some() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Publishes the oldest jobs, then deletes those which are confirmed: a crash in between repeats them.
    ///
    /// The outer error is the file's, the inner one the broker's.
    async fn batch(&self, stop: &CancellationToken) -> Result<Result<(), PublishError>, QueueError> {
        let gate = &self.spool.gate;
        let probe = match gate.is_silent() {
            true => stop.run_until_cancelled(gate.probe.lock()).await,
            false => None,
        };
        let count_max = if gate.is_silent() { 1 } else { BATCH_MAX };
        // Answered while this one waited for its turn to ask: all may go on.
        let probe = probe.filter(|_| count_max == 1);
        let waiting = self.file.peek(Source::Lane(self.lane), count_max).await?;
        let mut confirmed = Vec::new();
        let published = stop
            .run_until_cancelled(self.publish_all(&waiting, &mut confirmed))
            .await;
        drop(probe);
        let count = confirmed.len() as u64;
        if 0 < count {
            self.remove(confirmed, stop).await;
            counter!("kefu_spool_drained_total").increment(count);
            self.spool.note_drained(count);
        }
        Ok(published.unwrap_or(Ok(())))
    }

    async fn publish_all(&self, waiting: &[Waiting], confirmed: &mut Vec<i64>) -> Result<(), PublishError> {
        if self.lane != Lane::High {
            // One by one: what follows a failure stays behind it.
            for job in waiting {
                confirmed.push(self.publish(job).await?);
            }
            return Ok(());
        }
        let mut publishing: FuturesUnordered<_> = waiting.iter().map(|job| self.publish(job)).collect();
        let mut outcome = Ok(());
        while let Some(published) = publishing.next().await {
            match published {
                Ok(seq) => confirmed.push(seq),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    async fn publish(&self, waiting: &Waiting) -> Result<i64, PublishError> {
        let body = &waiting.body;
        let job = Job::decode(body);
        let (lane, attempt) = match &job {
            Ok(job) => (job.lane, job.attempt),
            // Written by another version: not for this one to judge, and its lane is not far off.
            Err(InvalidEnvelope::UnknownVersion { attempt, .. }) => (self.lane, *attempt),
            Err(InvalidEnvelope::NotAnEnvelope { .. }) => (self.lane, 1),
        };
        let copy = copy::of_same_attempt(body, &job, attempt);
        let outcome = self.spool.queue.publish_copy(lane, copy, CONFIRM_WITHIN).await;
        self.spool.gate.note(&outcome);
        outcome.map(|()| waiting.seq)
    }

    /// Again and again: a confirmed job that stays would be published for ever.
    async fn remove(&self, seqs: Vec<i64>, stop: &CancellationToken) {
        let mut failures = 0;
        while self.file.remove(seqs.clone()).await.is_err() && !stop.is_cancelled() {
            stop.run_until_cancelled(sleep(pause(failures))).await;
            failures += 1;
        }
    }
}

fn pause(failures: u32) -> Duration {
    backoff(failures).min(PAUSE_MAX)
}
