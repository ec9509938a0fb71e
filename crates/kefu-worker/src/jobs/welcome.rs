//! `kf.welcome`: one text to a customer who has just opened the chat. Tried once: its code lives 20 s (doc 96428).

use std::time::Duration;

use kefu_domain::Millis;
use kefu_jobs::{JobKind, SayWelcome};
use kefu_process::clock;
use kefu_process::crash::crash_point;
use kefu_queue::{Job, Verdict};
use kefu_store::{Welcome, WelcomeOutcome};
use metrics::counter;
use tracing::info;

use super::on_event::{self, OnEvent, Said};
use crate::context::Context;
use crate::outcome::JobError;

/// Older ones are not even tried. The server is the judge; this only allows for clocks that differ.
const AGE_MAX: Duration = Duration::from_secs(40);

pub(super) async fn run(context: &Context, job: &Job) -> Result<Verdict, JobError> {
    let SayWelcome { id } = SayWelcome::read(job)?;
    let Some(welcome) = context.store.take_welcome(&id).await? else {
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
    let Some(app) = context
        .outbound
        .apps()
        .of_row(&welcome.app, &welcome.corp, &welcome.account)
    else {
        return WelcomeOutcome::Failed {
            code: None,
            error: "its app is not in the settings".to_owned(),
        };
    };
    let on = OnEvent {
        what: "welcome",
        code: &welcome.code,
        msgid: &welcome.id,
        text,
    };
    let said = on_event::say(context, app, on).await;
    crash_point("welcome_called");
    match said {
        Said::Sent => WelcomeOutcome::Sent,
        Said::Late => WelcomeOutcome::Late,
        Said::Failed { code, error } => WelcomeOutcome::Failed { code, error },
        Said::Unknown { error } => WelcomeOutcome::Unknown { error },
    }
}
