//! Moves dead letters from the queue to the database, where they can be read. Acked after the commit, never rejected.

use std::sync::Arc;
use std::time::Duration;

use kefu_domain::Millis;
use kefu_process::clock;
use kefu_queue::{Delivery, InvalidEnvelope, Job, Verdict};
use kefu_store::{NewDeadLetter, StoreError};
use metrics::counter;
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::context::Context;
use crate::outcome::is_away;

/// Wait after an error that is not the database being away.
const RETRY_AFTER: Duration = Duration::from_secs(30);

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

/// Holds the letter until it is stored, however long the database is away.
async fn keep(context: &Context, letter: Delivery) {
    loop {
        match store(context, &letter).await {
            Ok(()) => break,
            Err(error) if is_away(&error) => {
                context.gate.close(&error);
                context.gate.opened().await;
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
    // Not acked: it comes again, and its key is already there.
    let _ = letter.settle(Verdict::Done).await;
}

async fn store(context: &Context, letter: &Delivery) -> Result<(), StoreError> {
    let death = letter.death.as_ref();
    let reason = death.map_or("unknown", |death| death.reason.as_str());
    let job = letter.job.as_ref().ok();
    let id = id(letter);
    let error = death.and_then(|death| death.error.as_deref());
    let kind = job.map(|job| job.kind.as_str());
    let new = NewDeadLetter {
        job_id: &id,
        replay: job.map_or(0, |job| job.replay),
        kind,
        app: job.map(|job| job.app.as_str()),
        lane: job
            .map(|job| job.lane.as_str())
            .or_else(|| death.and_then(|death| death.lane).map(|lane| lane.as_str())),
        reason,
        attempts: letter.attempt(),
        first_error: error,
        last_error: error,
        error_at: death.and_then(|death| death.at).or(Some(Millis(clock::now_ms()))),
        trace: job.and_then(|job| job.trace.as_deref()),
        raw: &letter.body,
    };
    if context.store.archive_dead_letter(&new).await? {
        let kind = kind.unwrap_or("none").to_owned();
        warn!(job.id = id, job.kind = kind, reason, "job {id} is dead: {reason}");
        counter!("kefu_dead_letters_total", "kind" => kind, "reason" => reason.to_owned()).increment(1);
    }
    Ok(())
}

/// Bytes without an id are known by their hash.
fn id(letter: &Delivery) -> String {
    match &letter.job {
        Ok(Job { id, .. }) | Err(InvalidEnvelope::UnknownVersion { id: Some(id), .. }) => id.clone(),
        Err(_) => {
            let hash = Sha1::digest(&letter.body);
            format!(
                "raw-{}",
                hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            )
        }
    }
}
