//! Deciding what to say: a rule, else the model, else the fallback. Decided once, stored, then sent.

use std::time::Duration;

use kefu_domain::{Handled, PartStatus, Purpose, Source, plain_text, plan_text};
use kefu_model::Model;
use kefu_outbound::{Api, App};
use kefu_process::crash::crash_point;
use kefu_store::{Decision, NewPart, Turn};
use metrics::{counter, histogram};
use tokio::time::Instant;
use tracing::{debug, info};

use super::handover;
use super::session::{self, MaySend};
use super::{Left, count, handle_owed, left, now, owed_ids, prompt, said, send_all};
use crate::context::Context;
use crate::outcome::Fault;

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
    context.outbound.check(app, Api::Send).await?;
    if let Some(refused) = handover::refused(context, turn) {
        let text = &context.replies.handover_failed;
        return reply(context, app, &refused, text, Source::Handover).await;
    }
    let checked_at = Instant::now();
    let (text, source) = decide(context, turn).await?;
    crash_point("answer_found");
    if STATE_AGE_MAX < checked_at.elapsed()
        && let MaySend::No { handled, .. } = session::check(context, app, &turn.lease.key).await?
    {
        return handle_owed(context, turn, handled).await;
    }
    reply(context, app, turn, &text, source).await
}

async fn reply(context: &Context, app: &App, turn: &Turn, text: &str, source: Source) -> Result<Left, Fault> {
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
        source,
    };
    let parts = context
        .store
        .decide(&turn.lease, &decision)
        .await?
        .ok_or(Fault::LeaseLost)?;
    crash_point("reply_decided");
    count(Handled::Answered, turn.owed.len());
    counter!("kefu_replies_total", "source" => source.as_str()).increment(1);
    let open = parts
        .iter()
        .filter(|part| matches!(part.status, PartStatus::Planned | PartStatus::Sending));
    send_all(context, app, turn, open, &decision.answered).await?;
    histogram!("kefu_reply_duration_seconds").record(now().since(last.sent_at).as_secs_f64());
    Ok(left(turn))
}

async fn decide(context: &Context, turn: &Turn) -> Result<(String, Source), Fault> {
    let asked = turn.owed.iter().filter_map(|message| message.text.as_deref());
    if let Some(answer) = asked
        .into_iter()
        .find_map(|text| context.replies.rules.answer(text))
    {
        return Ok((answer.to_owned(), Source::Rule));
    }
    let fallback = || (context.replies.fallback.clone(), Source::Fallback);
    let Some(model) = &context.model else {
        return Ok(fallback());
    };
    let answer = ask(context, model, turn)
        .await?
        .map(|answer| plain_text(&answer, &context.thoughts));
    Ok(answer
        .filter(|answer| !answer.is_empty())
        .map_or_else(fallback, |answer| (answer, Source::Model)))
}

/// Asks the model; `None` when it is of no use now and the customer should not wait for it any longer.
async fn ask(context: &Context, model: &Model, turn: &Turn) -> Result<Option<String>, Fault> {
    match prompt::ask(context, model, turn).await? {
        Ok(answer) => Ok(Some(answer)),
        // Open, perhaps by this very question: nobody waits for the ladder then.
        Err(error) if error.is_transient() && model.is_away() => {
            info!("model is away, saying the fallback: {error}");
            Ok(None)
        }
        Err(error) if error.is_transient() && turn.failures < MODEL_FAILURES_MAX => {
            Err(Fault::Outside(anyhow::Error::new(error)))
        }
        // Its words stand in the log already, once a minute for all turns.
        Err(error) => {
            debug!("saying the fallback: {error}");
            Ok(None)
        }
    }
}
