//! Publishes the jobs of dead letters that a person wants again.
//!
//! The mark in the database is the truth: it outlives the command that set it, a broker that is away and a worker
//! that dies between publish and note. What is published twice then is the same job, which has its effects once.

use std::sync::Arc;
use std::time::Duration;

use kefu_jobs::PUBLISH_WITHIN;
use kefu_process::crash::crash_point;
use kefu_process::{Seldom, clock, every};
use kefu_queue::{Job, PublishError};
use kefu_store::{DeadLetterRow, StoreError};
use metrics::counter;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::context::Context;
use crate::jobs::kind_label;
use crate::letter::row_of;
use crate::outcome::is_away;

const TICK: Duration = Duration::from_secs(1);
/// Letters in memory at the same time; each is at most 1 MiB.
const LETTERS_MAX: u32 = 32;
/// How long the letters of one take are nobody else's: many times what publishing them takes.
const LEASE: Duration = Duration::from_secs(60);
/// Between two lines about what fails at every tick.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What is taken at the stop and not published is taken again after its lease.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    let context = context.as_ref();
    let failures = Seldom::every(TOLD_EVERY);
    every(TICK, &stop, || async {
        if !context.gate.is_open() {
            return;
        }
        match replay_all(context).await {
            Ok(()) => (),
            Err(ReplayError::Store(error)) if is_away(&error) => context.gate.doubt(&error),
            Err(error) => {
                if let Some(more) = failures.line(clock::now_ms()) {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        more, "dead letters not published again, they are tried again: {error}"
                    );
                }
            }
        }
    })
    .await
}

#[derive(Debug, Error)]
enum ReplayError {
    #[error("database failed")]
    Store(#[from] StoreError),
    #[error("queue does not take them")]
    Queue(#[from] PublishError),
}

async fn replay_all(context: &Context) -> Result<(), ReplayError> {
    loop {
        let letters = context.store.take_replays(LETTERS_MAX, LEASE).await?;
        for letter in &letters {
            match replay(context, letter).await {
                Err(ReplayError::Store(error)) if error.is_data() => {
                    give_up(context, letter, "the database does not take what it names").await?;
                }
                // This one comes again after its lease; those behind it have nothing to do with it.
                Err(ReplayError::Store(error)) if !is_away(&error) => warn!(
                    letter.id = letter.seq,
                    error = &error as &dyn std::error::Error,
                    "dead letter {} not published again, it is tried again: {error}",
                    letter.seq
                ),
                outcome => outcome?,
            }
        }
        if letters.len() < LETTERS_MAX as usize {
            return Ok(());
        }
    }
}

async fn replay(context: &Context, letter: &DeadLetterRow) -> Result<(), ReplayError> {
    let Ok(job) = Job::decode(&letter.raw) else {
        // The command refuses such letters: it knew a version of the envelope that this worker does not.
        return give_up(context, letter, "it is no job this worker can read").await;
    };
    let job = job.replayed(letter.replay.saturating_add(1));
    // First the row: the job is only a hint at what it says.
    if let Some(row) = row_of(context, &job).await? {
        context.store.restart_row(&row).await?;
    }
    match context.queue.publish(&job, PUBLISH_WITHIN).await {
        Ok(()) => (),
        Err(PublishError::TooLarge { .. }) => return give_up(context, letter, "it is too large").await,
        Err(error) => return Err(error.into()),
    }
    crash_point("replay_published");
    context.store.finish_replay(letter.seq).await?;
    counter!("kefu_replays_total", "kind" => kind_label(&job.kind)).increment(1);
    info!(
        letter.id = letter.seq,
        job.id = job.id,
        job.kind = job.kind,
        job.replay = job.replay,
        "dead letter {} published again",
        letter.seq
    );
    Ok(())
}

/// What can never be published must not hold up what stands behind it.
async fn give_up(context: &Context, letter: &DeadLetterRow, why: &str) -> Result<(), ReplayError> {
    error!(
        letter.id = letter.seq,
        "dead letter {} cannot be published, it is open again: {why}", letter.seq
    );
    context.store.give_up_replay(letter.seq).await?;
    Ok(())
}
