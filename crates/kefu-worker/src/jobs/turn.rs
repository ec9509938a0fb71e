//! `kf.turn`: drains one conversation under the lease on its row.

use anyhow::anyhow;
use kefu_domain::{Handled, counted};
use kefu_jobs::{DrainConversation, JobKind};
use kefu_model::PROMPT_LINES_MAX;
use kefu_queue::{Job, Verdict};
use kefu_store::{AcquiredConversation, ConversationLease, Turn, TurnLimits, Whose};
use tracing::{Span, debug, error, field, warn};

use crate::context::Context;
use crate::lease::{LEASE, guarded};
use crate::letter::{OUT_OF_ATTEMPTS, Story};
use crate::outcome::{Fault, JobError};
use crate::row::{after_failure, contained};
use crate::turn::drain;

/// Messages that one reply answers; further ones get the next round. No more than the model is shown at a time, or
/// some would count as answered which it never saw.
pub(crate) const OWED_MAX: u32 = PROMPT_LINES_MAX as u32;

pub(super) async fn run(context: &Context, job: &Job, redelivered: bool) -> Result<Verdict, JobError> {
    let key = DrainConversation::read(job)?.key();
    Span::current().record("account.id", field::display(&key.account));
    let limits = limits(context);
    let acquired = context
        .store
        .acquire_conversation(&key, &job.id, redelivered, LEASE, limits)
        .await;
    match acquired.map_err(|error| JobError::of_acquire(error, redelivered))? {
        AcquiredConversation::Missing | AcquiredConversation::Held | AcquiredConversation::CatchingUp => {
            Ok(Verdict::Done)
        }
        AcquiredConversation::Won(turn) => {
            debug!(
                messages = turn.owed.len(),
                "turn begins with {} owed",
                counted(turn.owed.len(), "message")
            );
            hold(context, job, redelivered, *turn)
                .await
                .map_err(JobError::under_lease)
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
async fn hold(context: &Context, job: &Job, redelivered: bool, turn: Turn) -> Result<Verdict, JobError> {
    let lease = turn.lease.clone();
    let run = Run {
        job,
        is_first: job.attempt == 1 && !redelivered,
        failures: turn.failures,
        own_failures: turn.own_failures,
    };
    let Some(app) = context
        .outbound
        .apps()
        .of_row(&lease.app, &lease.key.corp, &lease.key.account)
    else {
        // While workers are replaced one by one, another may know it already.
        let fault = Fault::Own(anyhow!("app {} is not in the settings", lease.app));
        return failed(context, &lease, &run, Handled::AppGone, fault).await;
    };
    let work = guarded(drain(context, app, turn), || {
        context.store.extend_conversation(&lease, LEASE)
    });
    match contained(context.job_limit, work).await {
        Ok(()) | Err(Fault::LeaseLost) => Ok(Verdict::Done),
        Err(fault) => failed(context, &lease, &run, Handled::Failed, fault).await,
    }
}

/// A run, and what is known of those before it.
struct Run<'a> {
    job: &'a Job,
    /// No copy, and not begun before: what was may have noted its failure and published no copy.
    is_first: bool,
    failures: u32,
    own_failures: u32,
}

/// `given_up` is what the messages become once our own faults have used up the ladder.
async fn failed(
    context: &Context,
    lease: &ConversationLease,
    run: &Run<'_>,
    given_up: Handled,
    fault: Fault,
) -> Result<Verdict, JobError> {
    let ladder = context.queue.ladder();
    let text = fault.to_string();
    let whose = match fault {
        Fault::LeaseLost => return Ok(Verdict::Done),
        Fault::StoreAway(error) => return Err(JobError::StoreAway(error)),
        Fault::Wait(wait, _) => {
            context.store.park_conversation(lease, wait).await?;
            return Ok(Verdict::Done);
        }
        // Ends by itself: once the 48 h window is closed the next run has nothing left to try.
        Fault::Outside(_) => Whose::Theirs,
        Fault::Own(_) if after_failure(ladder, run.own_failures).exhausted => {
            error!("turn given up: {text}");
            let story = Story::of_job(run.job, OUT_OF_ATTEMPTS, &text);
            let letter = story.letter();
            let ended = context.store.give_up_conversation(lease, given_up, Some(&letter));
            if ended.await?.is_none() {
                // The row is somebody else's by now, whose run decides.
                return Ok(Verdict::Done);
            }
            story.tell();
            // Its letter stands, whatever becomes of the verdict: the archiver finds it there.
            return Ok(Verdict::Dead {
                reason: OUT_OF_ATTEMPTS.to_owned(),
                error: text,
            });
        }
        Fault::Own(_) => Whose::Ours,
    };
    match whose {
        Whose::Theirs => warn!("turn failed, trying again: {text}"),
        Whose::Ours => error!("turn failed: {text}"),
    }
    if run.is_first && 0 < run.failures {
        // One copy climbs the ladder for the row already; a further message looks once and leaves.
        let wake_in = after_failure(ladder, run.failures - 1).wake_in;
        context.store.park_conversation(lease, wake_in).await?;
        return Ok(Verdict::Done);
    }
    let next = after_failure(ladder, run.failures);
    let failures = context
        .store
        .fail_conversation(lease, next.wake_in, whose, &text)
        .await?;
    // 0: the row is somebody else's by now, who tries again if need be.
    Ok(if failures == 0 {
        Verdict::Done
    } else {
        next.retry(&text)
    })
}
