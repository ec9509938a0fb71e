//! `app.event`: any callback that is no kf wake-up. Stored, listed by `kefu events list`.

use std::time::Duration;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kefu_domain::{CorpId, Millis};
use kefu_process::crash::crash_point;
use kefu_queue::{Job, Verdict};
use kefu_state::Claim;
use kefu_store::NewEvent;
use serde::Deserialize;
use tracing::info;

use super::wake_accounts_of;
use crate::context::Context;
use crate::outcome::JobError;

/// Long enough for one insert; a holder that died is taken over by its own redelivery before that.
const CLAIM_LEASE: Duration = Duration::from_secs(60);
/// Accounts were granted or taken away: those we serve have changed (doc 97712).
const AUTH_CHANGE: &str = "event.kf_account_auth_change";

#[derive(Deserialize)]
struct Payload {
    kind: String,
    corp: Option<String>,
    from_user: Option<String>,
    created_at_ms: Option<i64>,
    plaintext: Option<String>,
    plaintext_base64: Option<String>,
}

impl Payload {
    fn raw(&self) -> Result<Vec<u8>, JobError> {
        match (&self.plaintext, &self.plaintext_base64) {
            (Some(text), _) => Ok(text.as_bytes().to_vec()),
            (None, Some(encoded)) => STANDARD
                .decode(encoded)
                .map_err(|_| JobError::Dead(anyhow!("plaintext_base64 is not base64"))),
            (None, None) => Err(JobError::Dead(anyhow!("payload has no plaintext"))),
        }
    }
}

pub(super) async fn run(context: &Context, job: &Job) -> Result<Verdict, JobError> {
    let payload = Payload::deserialize(&job.payload)
        .map_err(|_| JobError::Dead(anyhow!("payload of an app event does not read")))?;
    let hash = job
        .dedup
        .as_deref()
        .ok_or_else(|| JobError::Dead(anyhow!("app event without its hash")))?;
    let raw = payload.raw()?;
    let corp = corp(context, job, &payload)?;
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
        kind: &payload.kind,
        from_user: payload.from_user.as_deref(),
        created_at: payload.created_at_ms.map(Millis),
        received_at: job.received_at,
        raw: &raw,
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
fn corp(context: &Context, job: &Job, payload: &Payload) -> Result<CorpId, JobError> {
    match (payload.corp.as_deref(), context.apps.get(&job.app)) {
        (Some(corp), _) => CorpId::parse(corp).map_err(|error| JobError::Dead(error.into())),
        (None, Some(app)) => Ok(app.corp.clone()),
        (None, None) => Err(JobError::Dead(anyhow!("app {} is not in the settings", job.app))),
    }
}
