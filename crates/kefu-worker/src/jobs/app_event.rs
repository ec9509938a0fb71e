//! `app.event`: any callback that is no kf wake-up. Stored, listed by `kefu events list`.

use std::time::Duration;

use anyhow::anyhow;
use kefu_domain::CorpId;
use kefu_jobs::{JobKind, StoreEvent};
use kefu_process::crash::crash_point;
use kefu_queue::{Job, Verdict};
use kefu_state::Claim;
use kefu_store::NewEvent;
use tracing::info;

use super::wake_accounts_of;
use crate::context::Context;
use crate::outcome::JobError;

/// Long enough for one insert; a holder that died is taken over by its own redelivery before that.
const CLAIM_LEASE: Duration = Duration::from_secs(60);
/// Accounts were granted or taken away: those we serve have changed (doc 97712).
const AUTH_CHANGE: &str = "event.kf_account_auth_change";

pub(super) async fn run(context: &Context, job: &Job) -> Result<Verdict, JobError> {
    let stored = StoreEvent::read(job)?;
    let hash = job
        .dedup
        .as_deref()
        .ok_or_else(|| JobError::Dead(anyhow!("app event without its hash")))?;
    let corp = corp(context, job, &stored)?;
    let owner = format!("{}:{}", job.id, job.attempt);
    match context.state.claim(&job.app, hash, &owner, CLAIM_LEASE).await {
        // A replay is wanted by a person; the unique column decides whether it has an effect.
        Claim::Done if job.replay == 0 => return Ok(Verdict::Done),
        Claim::Held => return Err(JobError::Parked("another copy of the event is being stored")),
        Claim::Won | Claim::Done => (),
    }
    let event = NewEvent {
        app: &job.app,
        corp: &corp,
        hash,
        kind: &stored.kind,
        from_user: stored.from_user.as_deref(),
        created_at: stored.created_at(),
        received_at: job.received_at,
        raw: stored.raw(),
        trace: job.trace.as_deref(),
    };
    let taken = take(context, job, &event).await;
    match &taken {
        Ok(()) => context.state.complete(&job.app, hash, &owner).await,
        Err(_) => context.state.release(&job.app, hash, &owner).await,
    }
    taken.map(|()| Verdict::Done)
}

/// Stores the event and does what it asks for. Safe to repeat.
async fn take(context: &Context, job: &Job, event: &NewEvent<'_>) -> Result<(), JobError> {
    if context.store.insert_event(event).await? {
        info!(event.kind = event.kind, "stored event {}", event.kind);
    }
    crash_point("event_stored");
    if event.kind == AUTH_CHANGE {
        wake_accounts_of(context, &job.app, None).await?;
    }
    Ok(())
}

/// As the ingress knew it, else as we do.
fn corp(context: &Context, job: &Job, stored: &StoreEvent) -> Result<CorpId, JobError> {
    match (&stored.corp, context.outbound.apps().get(&job.app)) {
        (Some(corp), _) => Ok(corp.clone()),
        (None, Some(app)) => Ok(app.corp.clone()),
        (None, None) => Err(JobError::Dead(anyhow!("app {} is not in the settings", job.app))),
    }
}
