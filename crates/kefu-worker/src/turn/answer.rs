//! Deciding what to say: a rule, else the model, else the fallback. Decided once, stored, then sent.

use std::time::Duration;

use kefu_domain::{Handled, PartStatus, Purpose, plain_text, plan_text};
use kefu_process::crash::crash_point;
use kefu_store::{Decision, NewPart, Speaker, Turn};
use metrics::histogram;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::handover;
use super::session::{self, MaySend};
use super::{Left, count, handle_owed, left, now, owed_ids, said, send_all};
use crate::apps::App;
use crate::context::Context;
use crate::model::{Line, Model, Role};
use crate::outcome::Fault;
use crate::pause::{self, Api};
use crate::translate::placeholder;

/// After a question that took longer the session state is read again: a person may have taken over.
const STATE_AGE_MAX: Duration = Duration::from_secs(1);
/// How often a turn fails for the model before the customer gets the fallback text.
const MODEL_FAILURES_MAX: u32 = 2;

/// Answers everything that is owed with one reply.
pub(super) async fn answer(context: &Context, app: &App, turn: &Turn) -> Result<Left, Fault> {
    if said::end_owed(context, turn).await? {
        return Ok(Left::More);
    }
    if let MaySend::No { handled, .. } = session::check(context, app, &turn.lease.key).await? {
        return handle_owed(context, turn, handled).await;
    }
    if handover::begin(context, app, turn).await? {
        return Ok(Left::More);
    }
    // Before the model: while nothing may be sent, each further message would only make it answer anew.
    pause::check(context, &app.name, Api::Send).await?;
    if let Some(refused) = handover::refused(context, turn) {
        return reply(context, app, &refused, &context.replies.handover_failed).await;
    }
    let checked_at = Instant::now();
    let text = decide(context, turn).await?;
    crash_point("answer_found");
    if STATE_AGE_MAX < checked_at.elapsed()
        && let MaySend::No { handled, .. } = session::check(context, app, &turn.lease.key).await?
    {
        return handle_owed(context, turn, handled).await;
    }
    reply(context, app, turn, &text).await
}

async fn reply(context: &Context, app: &App, turn: &Turn, text: &str) -> Result<Left, Fault> {
    // A customer who is owed an answer has just written, so there is budget; if not, WeCom says so.
    let parts = plan_text(text, turn.budget.parts_left().max(1));
    let (Some(last), false) = (turn.owed.last(), parts.is_empty()) else {
        return handle_owed(context, turn, Handled::NoReply).await;
    };
    let decision = Decision {
        answered: owed_ids(turn),
        handled: Handled::Answered,
        parts: parts
            .into_iter()
            .map(|text| NewPart {
                purpose: Purpose::Reply,
                generation: 0,
                text,
            })
            .collect(),
        answers: last.id.clone(),
    };
    let parts = context
        .store
        .decide(&turn.lease, &decision)
        .await?
        .ok_or(Fault::LeaseLost)?;
    crash_point("reply_decided");
    count(Handled::Answered, turn.owed.len());
    let open = parts
        .iter()
        .filter(|part| matches!(part.status, PartStatus::Planned | PartStatus::Sending));
    send_all(context, app, turn, open, &decision.answered).await?;
    histogram!("kefu_reply_duration_seconds").record(now().since(last.sent_at).as_secs_f64());
    Ok(left(turn))
}

async fn decide(context: &Context, turn: &Turn) -> Result<String, Fault> {
    let asked = turn.owed.iter().filter_map(|message| message.text.as_deref());
    if let Some(answer) = asked
        .into_iter()
        .find_map(|text| context.replies.rules.answer(text))
    {
        return Ok(answer.to_owned());
    }
    let fallback = || context.replies.fallback.clone();
    let Some(model) = &context.model else {
        return Ok(fallback());
    };
    let answer = ask(model, turn).await?.map(|answer| plain_text(&answer));
    Ok(answer
        .filter(|answer| !answer.is_empty())
        .unwrap_or_else(fallback))
}

/// Asks the model; `None` when it is of no use now and the customer should not wait for it any longer.
async fn ask(model: &Model, turn: &Turn) -> Result<Option<String>, Fault> {
    match model.ask(&lines(turn)).await {
        Ok(answer) => Ok(Some(answer)),
        // Open, perhaps by this very question: nobody waits for the ladder then.
        Err(error) if error.is_transient() && model.is_away() => {
            info!("model is away, saying the fallback: {error}");
            Ok(None)
        }
        Err(error) if error.is_transient() && turn.failures < MODEL_FAILURES_MAX => {
            Err(Fault::Outside(anyhow::Error::new(error)))
        }
        Err(error) if error.is_transient() => {
            warn!(
                error = &error as &dyn std::error::Error,
                "model still fails, saying the fallback: {error}"
            );
            Ok(None)
        }
        Err(error) => {
            error!(
                error = &error as &dyn std::error::Error,
                "model refuses, saying the fallback: {error}"
            );
            Ok(None)
        }
    }
}

/// The history, then each unanswered message as a line of its own, its text unchanged.
fn lines(turn: &Turn) -> Vec<Line> {
    let shown = |msgtype: &str, text: &Option<String>| {
        text.clone().unwrap_or_else(|| placeholder(msgtype).to_owned())
    };
    let history = turn.history.iter().map(|line| Line {
        role: match line.who {
            Speaker::Customer => Role::User,
            Speaker::Us | Speaker::Servicer => Role::Assistant,
        },
        content: shown(&line.msgtype, &line.text),
    });
    let owed = turn.owed.iter().map(|message| Line {
        role: Role::User,
        content: shown(&message.msgtype, &message.text),
    });
    history.chain(owed).collect()
}
