//! Moves dead letters from the queue to the database, where they can be read. Acked after the commit, never rejected.
//!
//! A job that comes here because it was delivered too often may be a bystander: each time its process died, perhaps
//! of another job. One that stands on a row is archived and its row wakes again; any other is put back once.

use std::sync::Arc;
use std::time::Duration;

use kefu_domain::{ConversationKey, Handled, RowRef, counted};
use kefu_jobs::PUBLISH_WITHIN;
use kefu_process::crash::crash_point;
use kefu_queue::{Death, Delivery, Job, PublishError, Verdict};
use kefu_store::{AcquiredConversation, StoreError};
use metrics::counter;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::context::Context;
use crate::jobs::{kind_label, turn_limits};
use crate::lease::LEASE;
use crate::letter::{Story, row_of};

/// Wait after an error that is not the database being away.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Wait after the queue did not take what is put back; the letter stays where it is meanwhile.
const PUBLISH_RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut letters = context.queue.dead_letters();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = context.gate.opened() => (),
        }
        let Some(letter) = letters.next(&stop).await else {
            return Ok(());
        };
        tokio::select! {
            biased;
            // Dropped unsettled: the letter goes back to its queue.
            () = stop.cancelled() => return Ok(()),
            () = keep(&context, letter) => (),
        }
    }
}

#[derive(Debug, Error)]
enum KeepError {
    #[error("database failed")]
    Store(#[from] StoreError),
    #[error("queue does not take it back")]
    Queue(#[from] PublishError),
}

/// Holds the letter until it is stored or put back, however long that takes.
async fn keep(context: &Context, letter: Delivery) {
    loop {
        match file(context, &letter).await {
            Ok(()) => break,
            Err(KeepError::Store(error)) if error.is_unavailable() => {
                context.gate.doubt(&error);
                context.gate.opened().await;
            }
            Err(KeepError::Queue(error)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "job not put back, trying again: {error}"
                );
                tokio::time::sleep(PUBLISH_RETRY_AFTER).await;
            }
            Err(KeepError::Store(error)) if error.is_data() => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "dead letter is archived by its bytes alone: {error}"
                );
                let story = Story::bare(&letter, &error.to_string());
                match context.store.archive_dead_letter(&story.letter()).await {
                    Ok(_) => break,
                    Err(error) => warn!("dead letter not archived: {error}"),
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Err(error) => {
                // Nothing may be thrown away here, so the letter waits like everything behind it.
                error!(
                    error = &error as &dyn std::error::Error,
                    "dead letter not archived: {error}"
                );
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
    crash_point("letter_filed");
    // Not acked: it comes again, and its key is already there.
    let _ = letter.settle(Verdict::Done).await;
}

/// Decides what becomes of a letter. Safe to repeat.
async fn file(context: &Context, letter: &Delivery) -> Result<(), KeepError> {
    let job = letter.job.as_ref().ok();
    if !letter.death.as_ref().is_some_and(Death::is_delivery_limit) {
        return Ok(archive(context, letter).await?);
    }
    let Some(job) = job else {
        return Ok(archive(context, letter).await?);
    };
    match row_of(context, job).await? {
        Some(row) => Ok(archive_crashed(context, letter, job, &row).await?),
        None if job.replay == 0 => Ok(put_back(context, job).await?),
        None => Ok(archive(context, letter).await?),
    }
}

async fn put_back(context: &Context, job: &Job) -> Result<(), PublishError> {
    context.queue.publish(&job.replayed(1), PUBLISH_WITHIN).await?;
    counter!("kefu_put_back_total", "kind" => kind_label(&job.kind)).increment(1);
    warn!(
        job.id = job.id,
        job.kind = job.kind,
        "job {} was delivered too often and may be innocent: put back once",
        job.id
    );
    Ok(())
}

async fn archive(context: &Context, letter: &Delivery) -> Result<(), StoreError> {
    let story = Story::of(letter);
    if context.store.archive_dead_letter(&story.letter()).await? {
        story.tell();
    }
    Ok(())
}

async fn archive_crashed(
    context: &Context,
    letter: &Delivery,
    job: &Job,
    row: &RowRef,
) -> Result<(), StoreError> {
    let story = Story::of(letter);
    let crash = context.store.archive_crashed(&story.letter(), row).await?;
    if crash.is_new {
        story.tell();
    }
    let steps = context.queue.ladder().steps().len();
    match row {
        // An execution that never ends cannot count the last one itself. Asked of a letter that was there before, too:
        // it may have been archived in a try that ended before this.
        RowRef::Conversation(key) if steps < crash.failures as usize => give_up(context, job, key).await,
        _ => Ok(()),
    }
}

/// Ends a conversation whose turns kill their worker time and again: nothing stays owed for ever.
async fn give_up(context: &Context, job: &Job, key: &ConversationKey) -> Result<(), StoreError> {
    let limits = turn_limits(context);
    let acquired = context
        .store
        .acquire_conversation(key, &job.id, true, LEASE, limits)
        .await?;
    // Somebody else holds it: his run decides.
    if let AcquiredConversation::Won(turn) = acquired {
        // Its letter is archived already.
        let ended = context
            .store
            .give_up_conversation(&turn.lease, Handled::Failed, None)
            .await?;
        let Some(ended) = ended else { return Ok(()) };
        error!(
            job.id = job.id,
            "conversation given up with {}: its turns kept killing their worker",
            counted(ended, "message")
        );
        counter!("message_processed_total", "outcome" => Handled::Failed.as_str()).increment(ended);
    }
    Ok(())
}
