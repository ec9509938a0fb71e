//! `kf.notice`: one text to a customer who waits in the pool, on the code WeCom gave for the move. Tried once, and only
//! while nobody has come (doc 96428).

use kefu_jobs::{JobKind, PUBLISH_WITHIN, SayNotice};
use kefu_outbound::{App, is_gone};
use kefu_process::crash::crash_point;
use kefu_queue::{Job, Verdict};
use kefu_store::{Notice, NoticeOutcome};
use kefu_wecom::ApiError;
use kefu_wecom::client::{ServiceState, StateNow};
use metrics::counter;
use tracing::{info, warn};

use super::fresh;
use super::on_event::{self, OnEvent, Said};
use crate::context::Context;
use crate::outcome::JobError;

/// Publishes the job of a notice that is due; should that fail, its row wakes.
pub(crate) async fn hurry(context: &Context, app: &str, id: String) {
    let job = fresh(&SayNotice { id }, app);
    if let Err(error) = context.queue.publish(&job, PUBLISH_WITHIN).await {
        warn!("notice not published, its row will wake: {error}");
    }
}

pub(super) async fn run(context: &Context, job: &Job) -> Result<Verdict, JobError> {
    let SayNotice { id } = SayNotice::read(job)?;
    let Some(notice) = context.store.notice(&id).await? else {
        return Ok(Verdict::Done);
    };
    let Some(app) = context
        .outbound
        .apps()
        .of_row(&notice.app, &notice.corp, &notice.account)
    else {
        // While workers are replaced one by one, another may know it already; the row wakes until its code is dead.
        info!("notice waits: its app is not in the settings");
        return Ok(Verdict::Done);
    };
    let Some(place) = place(context, app, &notice).await else {
        // The row wakes again.
        return Ok(Verdict::Done);
    };
    // Whatever becomes of it: another job may be saying it, and then only that one knows how it ends.
    if !context.store.take_notice(&notice.id).await? {
        return Ok(Verdict::Done);
    }
    crash_point("notice_taken");
    let outcome = match place {
        Place::Elsewhere => NoticeOutcome::Over,
        Place::Gone(error) => NoticeOutcome::Failed {
            code: error.code(),
            error: error.to_string(),
        },
        Place::Pool => say(context, app, &notice).await,
    };
    let (purpose, word) = (notice.purpose.as_str(), word(&outcome));
    counter!("kefu_notices_total", "purpose" => purpose, "outcome" => word).increment(1);
    info!(notice.outcome = word, account.id = %notice.account, "notice ({purpose}) {word}");
    context.store.settle_notice(&notice.id, &outcome).await?;
    Ok(Verdict::Done)
}

/// Where the customer is by now.
enum Place {
    Pool,
    Elsewhere,
    /// WeCom knows no such conversation.
    Gone(ApiError),
}

/// `None`: it cannot be asked now.
async fn place(context: &Context, app: &App, notice: &Notice) -> Option<Place> {
    let outbound = &context.outbound;
    let answer = outbound
        .service_state(app, &notice.account, &notice.customer)
        .await;
    match answer {
        Ok(Ok(StateNow {
            state: ServiceState::Pool,
            ..
        })) => Some(Place::Pool),
        Ok(Ok(_)) => Some(Place::Elsewhere),
        Ok(Err(error)) if is_gone(&error) => Some(Place::Gone(error)),
        Ok(Err(error)) => {
            info!("session state not read, the notice waits: {error}");
            None
        }
        Err(wait) => {
            info!("session state not read, the notice {wait}");
            None
        }
    }
}

async fn say(context: &Context, app: &App, notice: &Notice) -> NoticeOutcome {
    let on = OnEvent {
        what: "notice",
        code: &notice.code,
        msgid: &notice.id,
        text: &notice.text,
    };
    let said = on_event::say(context, app, on).await;
    crash_point("notice_called");
    match said {
        Said::Sent => NoticeOutcome::Sent,
        Said::Late => NoticeOutcome::Late,
        Said::Failed { code, error } => NoticeOutcome::Failed { code, error },
        Said::Unknown { error } => NoticeOutcome::Unknown { error },
    }
}

fn word(outcome: &NoticeOutcome) -> &'static str {
    match outcome {
        NoticeOutcome::Sent => "sent",
        NoticeOutcome::Over => "over",
        NoticeOutcome::Late => "late",
        NoticeOutcome::Failed { .. } => "failed",
        NoticeOutcome::Unknown { .. } => "unknown",
    }
}
