//! `kf.turn`: drains one conversation under the lease on its row.

use anyhow::anyhow;
use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, Handled, InvalidId, Millis};
use kefu_queue::{Job, Verdict};
use kefu_store::{AcquiredConversation, ConversationLease, Turn, TurnLimits};
use serde::Deserialize;
use tracing::{Span, debug, error, field, warn};

use crate::context::Context;
use crate::lease::{LEASE, guarded};
use crate::model::PROMPT_LINES_MAX;
use crate::outcome::{Fault, JobError};
use crate::row::{Next, after_failure, contained};
use crate::turn::drain;

/// Messages that one reply answers; further ones get the next round. No more than the model is shown at a time, or
/// some would count as answered which it never saw.
pub(crate) const OWED_MAX: u32 = PROMPT_LINES_MAX as u32;

#[derive(Deserialize)]
struct Payload {
    corp: String,
    account: String,
    customer: String,
}

impl Payload {
    fn key(&self) -> Result<ConversationKey, InvalidId> {
        Ok(ConversationKey {
            corp: CorpId::parse(&self.corp)?,
            account: AccountId::parse(&self.account)?,
            customer: CustomerId::parse(&self.customer)?,
        })
    }
}

pub(super) async fn run(context: &Context, job: &Job, redelivered: bool) -> Result<Verdict, JobError> {
    let payload = Payload::deserialize(&job.payload)
        .map_err(|_| JobError::Dead(anyhow!("payload of a turn does not read")))?;
    let key = payload.key().map_err(|error| JobError::Dead(error.into()))?;
    Span::current().record("account.id", field::display(&key.account));
    let limits = limits(context);
    match context
        .store
        .acquire_conversation(&key, &job.id, redelivered, LEASE, limits)
        .await?
    {
        AcquiredConversation::Missing | AcquiredConversation::Held | AcquiredConversation::CatchingUp => {
            Ok(Verdict::Done)
        }
        AcquiredConversation::Won(turn) => {
            debug!(
                messages = turn.owed.len(),
                "turn begins with {} messages owed",
                turn.owed.len()
            );
            hold(context, *turn).await
        }
    }
}

pub(crate) fn limits(context: &Context) -> TurnLimits {
    TurnLimits {
        owed_max: OWED_MAX,
        history_max: context.history_max,
    }
}

/// Drains while the lease lasts, then writes to the row how it went.
async fn hold(context: &Context, turn: Turn) -> Result<Verdict, JobError> {
    let lease = turn.lease.clone();
    let failures = turn.failures;
    let Some(app) = context
        .apps
        .of_row(&lease.app, &lease.key.corp, &lease.key.account)
    else {
        warn!(
            app = lease.app,
            "conversation given up: its app is not in the settings"
        );
        context
            .store
            .give_up_conversation(&lease, Handled::AppGone)
            .await?;
        return Ok(Verdict::Done);
    };
    let work = guarded(drain(context, app, turn), || {
        context.store.extend_conversation(&lease, LEASE)
    });
    match contained(work).await {
        Ok(()) | Err(Fault::LeaseLost) => Ok(Verdict::Done),
        Err(fault) => failed(context, &lease, failures, fault).await,
    }
}

async fn failed(
    context: &Context,
    lease: &ConversationLease,
    failures: u32,
    fault: Fault,
) -> Result<Verdict, JobError> {
    let next = after_failure(context.queue.ladder(), failures);
    let text = fault.to_string();
    match fault {
        Fault::LeaseLost => Ok(Verdict::Done),
        Fault::StoreAway(error) => Err(JobError::StoreAway(error)),
        Fault::Wait { until_ms, .. } => {
            context.store.park_conversation(lease, Millis(until_ms)).await?;
            Ok(Verdict::Done)
        }
        // Ends by itself: once the 48 h window is closed the next run has nothing left to try.
        Fault::Outside(_) => {
            warn!("turn failed, trying again: {text}");
            retry(context, lease, &next, &text).await
        }
        Fault::Own(_) if next.exhausted => {
            error!("turn given up: {text}");
            context.store.give_up_conversation(lease, Handled::Failed).await?;
            Ok(Verdict::Dead {
                reason: "out_of_attempts".to_owned(),
                error: text,
            })
        }
        Fault::Own(_) => {
            error!("turn failed: {text}");
            retry(context, lease, &next, &text).await
        }
    }
}

/// Writes the failure to the row and climbs the ladder, unless the row is somebody else's by now.
async fn retry(
    context: &Context,
    lease: &ConversationLease,
    next: &Next,
    error: &str,
) -> Result<Verdict, JobError> {
    let failures = context
        .store
        .fail_conversation(lease, next.wake_in, error)
        .await?;
    Ok(match failures {
        0 => Verdict::Done,
        _ => next.retry(error),
    })
}
