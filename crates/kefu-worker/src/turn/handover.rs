//! Handing a conversation to a person: decided and said first, then moved into the pool, where whoever is free takes it.
//! Kefu is silent from then on. Refused for good, the customer hears so, or is answered as usual; never both, and never
//! nothing.

use std::time::Duration;

use kefu_domain::{Handled, SessionState};
use kefu_outbound::{Api, App};
use kefu_process::crash::crash_point;
use kefu_store::{Handover, OwedMessage, PoolCode, Turn};
use kefu_wecom::ErrorClass;
use kefu_wecom::client::{Servicer, Target};
use metrics::counter;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::session::{self, MaySend};
use super::{Left, count, now, owed_ids};
use crate::context::Context;
use crate::jobs::hurry_notice;
use crate::outcome::Fault;
use crate::replies::OffDuty;

/// How often a turn fails for the call that moves the session before the customer is answered without a person: about
/// three minutes of the usual steps. An open breaker is waited for and does not count.
const FAILURES_MAX: u32 = 3;

/// A pause of the move that lasts longer is not waited for: WeCom blocks for up to an hour, in silence for the customer.
const PAUSE_MAX: Duration = Duration::from_secs(180);

/// Longest time to ask who is on duty, which holds up a customer who asks for a person.
const DUTY_WITHIN: Duration = Duration::from_secs(2);

/// Decides on a hand-over if one of the owed messages asks for it; whether one did.
pub(super) async fn begin(context: &Context, app: &App, turn: &Turn) -> Result<bool, Fault> {
    let (Some(last), true) = (turn.owed.last(), wants_person(context, turn)) else {
        return Ok(false);
    };
    if context.replies.off_duty == OffDuty::Tell && nobody_is_on_duty(context, app, turn).await {
        info!("conversation not handed over: nobody is on duty");
        refuse(context, turn, "off_duty").await?;
        return Ok(true);
    }
    // Rather than say that somebody comes.
    if is_limited(context, app).await {
        refuse_limited(context, turn).await?;
        return Ok(true);
    }
    // Without budget it is said on the code of the move.
    let may_be_said = 0 < turn.budget.parts_left();
    let handover = Handover {
        asked: owed_ids(turn),
        answers: last.id.clone(),
        text: context.replies.handover.clone().filter(|_| may_be_said),
    };
    let decided = context.store.decide_handover(&turn.lease, &handover).await?;
    decided.ok_or(Fault::LeaseLost)?;
    crash_point("handover_decided");
    Ok(true)
}

fn wants_person(context: &Context, turn: &Turn) -> bool {
    turn.owed
        .iter()
        .any(|message| !message.person_refused && asks(context, message))
}

fn asks(context: &Context, message: &OwedMessage) -> bool {
    let keywords = &context.replies.handover_keywords;
    // Only what was typed: a word in a forwarded chat or on a card is nobody's wish.
    message.msgtype == "text" && message.text.as_deref().is_some_and(|text| keywords.hit(text))
}

/// The turn of the wishes that were refused, should customers be told so; what else they wrote is answered after it.
pub(super) fn refused(context: &Context, turn: &Turn) -> Option<Turn> {
    let is_theirs = |message: &OwedMessage| message.person_refused && asks(context, message);
    if context.replies.handover_failed.is_empty() || !turn.owed.iter().any(is_theirs) {
        return None;
    }
    let mut theirs = turn.clone();
    theirs.owed.retain(is_theirs);
    theirs.owed_more |= theirs.owed.len() < turn.owed.len();
    Some(theirs)
}

/// Moves the session into the pool. Whatever the call says, the session itself tells what became of it.
pub(super) async fn transfer(context: &Context, app: &App, turn: &Turn) -> Result<Left, Fault> {
    let key = &turn.lease.key;
    // Read first, although the call would tell as well: while WeCom answers this, a move that keeps failing spends the
    // attempts of its row, and is not taken for an outage that everybody waits for.
    if let MaySend::No { handled, .. } = session::check(context, app, key).await? {
        return end(context, app, turn, handled, None).await;
    }
    if is_limited(context, app).await {
        refuse_limited(context, turn).await?;
        return Ok(Left::More);
    }
    let permit = context.outbound.permit(app, Api::Transfer).await?;
    let (account, customer) = (key.account.as_str(), key.customer.as_str());
    let moved = context
        .outbound
        .wecom()
        .transfer(&app.name, account, customer, &Target::Pool)
        .await;
    if let Err(wait) = permit.tell(&moved).await {
        if !is_limited(context, app).await {
            return Err(wait.into());
        }
        refuse_limited(context, turn).await?;
        return Ok(Left::More);
    }
    let error = match moved {
        Ok(code) => {
            crash_point("conversation_transferred");
            context.store.set_session(key, SessionState::Pool, now()).await?;
            return end(context, app, turn, Handled::Pool, code).await;
        }
        Err(error) => error,
    };
    match error.class() {
        ErrorClass::Busy | ErrorClass::Network | ErrorClass::Ambiguous | ErrorClass::Token
            if turn.failures < FAILURES_MAX =>
        {
            return Err(Fault::of_wecom(app, error));
        }
        _ => (),
    }
    // The call, or one before it whose answer was lost, may have worked all the same.
    match session::check(context, app, key).await? {
        MaySend::No { handled, .. } => end(context, app, turn, handled, None).await,
        MaySend::Yes => {
            warn!("conversation not handed over: {error}");
            refuse(context, turn, "refused").await?;
            Ok(Left::More)
        }
    }
}

async fn is_limited(context: &Context, app: &App) -> bool {
    PAUSE_MAX < context.outbound.paused(app, Api::Transfer).await
}

async fn refuse_limited(context: &Context, turn: &Turn) -> Result<(), Fault> {
    info!("conversation not handed over: WeCom limits the calls that move sessions for minutes");
    refuse(context, turn, "limited").await
}

/// All that is owed is answered without a person.
async fn refuse(context: &Context, turn: &Turn, outcome: &'static str) -> Result<(), Fault> {
    let again = context.store.refuse_handover(&turn.lease).await?;
    again.ok_or(Fault::LeaseLost)?;
    counter!("kefu_handovers_total", "outcome" => outcome).increment(1);
    Ok(())
}

/// Whether WeCom says of every person of the account that they do not receive. It need not say so, nor answer: then
/// somebody may be there.
async fn nobody_is_on_duty(context: &Context, app: &App, turn: &Turn) -> bool {
    let account = turn.lease.key.account.as_str();
    let asked = context.outbound.call(app, Api::Servicers, || {
        context.outbound.wecom().servicers(&app.name, account)
    });
    match timeout(DUTY_WITHIN, asked).await {
        Ok(Ok(Ok(servicers))) => {
            let away = |servicer: &Servicer| servicer.receiving == Some(false);
            !servicers.is_empty() && servicers.iter().all(away)
        }
        Ok(Ok(Err(error))) => {
            debug!("who is on duty is not known: {error}");
            false
        }
        Ok(Err(fault)) => {
            debug!("who is on duty is not known: {fault}");
            false
        }
        Err(_) => false,
    }
}

/// The window closed before the session was moved.
pub(super) async fn expire(context: &Context, app: &App, turn: &Turn) -> Result<Left, Fault> {
    end(context, app, turn, Handled::Expired, None).await
}

/// Ends the hand-over on the row; `code` is what WeCom gave for one text in the pool.
async fn end(
    context: &Context,
    app: &App,
    turn: &Turn,
    handled: Handled,
    code: Option<String>,
) -> Result<Left, Fault> {
    let asked = match &turn.handover {
        Some(id) => context.store.answered_by(&turn.lease.key, id).await?,
        None => Vec::new(),
    };
    let code = code.map(|code| PoolCode {
        code,
        handover: context.replies.handover.clone(),
        waiting: context.replies.waiting.clone(),
    });
    let ended = context
        .store
        .end_handover(&turn.lease, handled, code.as_ref())
        .await?
        .ok_or(Fault::LeaseLost)?;
    crash_point("handover_ended");
    count(handled, usize::try_from(ended.messages).unwrap_or(usize::MAX));
    counter!("kefu_handovers_total", "outcome" => handled.as_str()).increment(1);
    info!(
        handover.outcome = handled.as_str(),
        "hand-over of a conversation ended: {}",
        handled.as_str()
    );
    if matches!(handled, Handled::Pool | Handled::Human) {
        // A database restored from before must not hand over a second time.
        context.state.note_said(&turn.lease.key, &asked, now()).await;
    }
    if let Some(id) = ended.notice {
        hurry_notice(context, &app.name, id).await;
    }
    Ok(Left::More)
}
