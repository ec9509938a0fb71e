//! `kf.welcome`: one text to a customer who has just opened the chat. Tried once: its code lives 20 s (doc 96428).

use std::time::Duration;

use anyhow::anyhow;
use kefu_domain::Millis;
use kefu_process::crash::crash_point;
use kefu_process::{clock, trace};
use kefu_queue::{Job, Lane, Verdict};
use kefu_store::{Welcome, WelcomeOutcome};
use kefu_wecom::{ErrorClass, OutboundBody};
use metrics::counter;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use tracing::{info, warn};

use super::KF_WELCOME;
use crate::away;
use crate::context::Context;
use crate::outcome::JobError;

/// Older ones are not even tried. The server is the judge; this only allows for clocks that differ.
const AGE_MAX: Duration = Duration::from_secs(40);

#[derive(Deserialize)]
struct Payload {
    id: String,
}

/// The job for a welcome that was stored.
pub(crate) fn job(app: &str, id: &str) -> Job {
    let mut job = Job::new(
        KF_WELCOME,
        app,
        Lane::High,
        json!({ "id": id }),
        Millis(clock::now_ms()),
    );
    job.trace = trace::current_traceparent();
    job
}

pub(super) async fn run(context: &Context, job: &Job) -> Result<Verdict, JobError> {
    let payload = Payload::deserialize(&job.payload)
        .map_err(|_| JobError::Dead(anyhow!("payload of a welcome does not read")))?;
    let Some(welcome) = context.store.take_welcome(&payload.id).await? else {
        return Ok(Verdict::Done);
    };
    crash_point("welcome_taken");
    let text = context.replies.welcome.as_str();
    let outcome = say(context, &welcome, text).await;
    let word = match &outcome {
        WelcomeOutcome::Sent => "sent",
        WelcomeOutcome::Late => "late",
        WelcomeOutcome::Failed { .. } => "failed",
        WelcomeOutcome::Unknown { .. } => "unknown",
    };
    counter!("kefu_welcomes_total", "outcome" => word).increment(1);
    info!(welcome.outcome = word, account.id = %welcome.account, "welcome {word}");
    context.store.settle_welcome(&welcome.id, &outcome, text).await?;
    Ok(Verdict::Done)
}

async fn say(context: &Context, welcome: &Welcome, text: &str) -> WelcomeOutcome {
    if AGE_MAX < Millis(clock::now_ms()).since(welcome.event_at) {
        return WelcomeOutcome::Late;
    }
    let Some(app) = context.apps.of_row(&welcome.app, &welcome.corp, &welcome.account) else {
        return WelcomeOutcome::Failed {
            code: None,
            error: "its app is not in the settings".to_owned(),
        };
    };
    let body = OutboundBody::text(text);
    let code = welcome.code.expose_secret();
    // Called even while WeCom is taken for away, in case it is not: after the wait the code is dead for certain.
    let permit = app.breaker.allow().ok();
    let said = context
        .wecom
        .send_msg_on_event(&app.name, code, Some(&welcome.id), &body)
        .await;
    crash_point("welcome_called");
    if let Some(permit) = permit {
        away::tell(permit, &said);
    }
    match said {
        Ok(_) => WelcomeOutcome::Sent,
        Err(error) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "welcome not sent: {error}"
            );
            match (error.class(), error.code()) {
                (ErrorClass::Ambiguous | ErrorClass::Busy, _) => WelcomeOutcome::Unknown {
                    error: error.to_string(),
                },
                // WeCom documents no code for a dead code; what it refuses at this age is one.
                (ErrorClass::Permanent | ErrorClass::State | ErrorClass::Quota, Some(_)) => {
                    WelcomeOutcome::Late
                }
                (_, code) => WelcomeOutcome::Failed {
                    code,
                    error: error.to_string(),
                },
            }
        }
    }
}
