//! A turn: settle what is open, answer what is new, give the lease back when nothing is owed.

mod answer;
mod handover;
mod send;
mod session;

use std::time::Duration;

use futures::FutureExt;
use kefu_domain::{CancelReason, Handled, MessageId, Millis, PartStatus};
use kefu_process::clock;
use kefu_store::{Owed, Part, PartOutcome, Released, Turn};
use metrics::counter;
use tokio::time::Instant;

use crate::apps::App;
use crate::context::Context;
use crate::jobs::turn_limits;
use crate::lease::LEASE;
use crate::model::PROMPT_BYTES_MAX;
use crate::outcome::Fault;

use send::{Sent, send};
use session::MaySend;

/// After this a turn begins no further round; what is owed then gets a turn of its own.
const SOFT_LIMIT: Duration = Duration::from_secs(60);

/// Whether a round left something that the next one must look at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    More,
}

/// Goes round until nothing is owed and the lease is given back.
pub(crate) async fn drain(context: &Context, app: &App, mut turn: Turn) -> Result<(), Fault> {
    let started_at = Instant::now();
    loop {
        fit(&mut turn);
        if round(context, app, &turn).boxed().await? == Left::Nothing {
            match context
                .store
                .release_conversation(&turn.lease, turn.wanted)
                .await?
            {
                Released::Free => return Ok(()),
                Released::Lost => return Err(Fault::LeaseLost),
                Released::Again(()) => (),
            }
        }
        if SOFT_LIMIT < started_at.elapsed() {
            return Err(Fault::Wait(Duration::ZERO, "the turn takes long"));
        }
        let fresh = context
            .store
            .reload_turn(&turn.lease, LEASE, turn_limits(context))
            .await?;
        turn = fresh.ok_or(Fault::LeaseLost)?;
    }
}

/// Takes no more messages together than the model is shown: what is answered is what was read.
fn fit(turn: &mut Turn) {
    let mut bytes = 0;
    let fitting = turn.owed.iter().take_while(|message| {
        bytes += message.text.as_ref().map_or(0, String::len);
        bytes <= PROMPT_BYTES_MAX
    });
    let count = fitting.count().max(1);
    if count < turn.owed.len() {
        turn.owed.truncate(count);
        turn.owed_more = true;
    }
}

async fn round(context: &Context, app: &App, turn: &Turn) -> Result<Left, Fault> {
    if let Some(part) = turn
        .open_parts
        .iter()
        .find(|part| part.status == PartStatus::Sending)
    {
        return settle_sending(context, app, turn, part).await;
    }
    if let Some(part) = turn.open_parts.first() {
        return settle_planned(context, app, turn, part).await;
    }
    if turn.owed.is_empty() {
        return Ok(Left::Nothing);
    }
    if !turn.budget.window_open(turn.now) {
        return handle_owed(context, turn, Handled::Expired).await;
    }
    answer::answer(context, app, turn).await
}

/// A part whose call was begun: nobody knows whether it went out, so it is sent again under its msgid, first of all.
async fn settle_sending(context: &Context, app: &App, turn: &Turn, part: &Part) -> Result<Left, Fault> {
    if turn.budget.window_open(turn.now) {
        send(context, app, &turn.lease, part).await?;
    } else {
        let outcome = PartOutcome::Unknown {
            error: "the 48 h window closed before its outcome was known".to_owned(),
        };
        still_ours(
            context
                .store
                .settle_part(&turn.lease, &part.msgid, &outcome)
                .await?,
        )?;
    }
    Ok(Left::More)
}

/// A reply that was decided and not yet sent: dropped when it was overtaken, else sent.
async fn settle_planned(context: &Context, app: &App, turn: &Turn, first: &Part) -> Result<Left, Fault> {
    let drop_reply = |reason, owed| {
        context
            .store
            .cancel_reply(&turn.lease, &first.reply_id, reason, owed)
    };
    if !turn.budget.window_open(turn.now) {
        still_ours(drop_reply(CancelReason::Expired, Owed::Handled(Handled::Expired)).await?)?;
        return Ok(Left::More);
    }
    if !turn.owed.is_empty() && !first.reply_started {
        still_ours(drop_reply(CancelReason::Overtaken, Owed::Again).await?)?;
        return Ok(Left::More);
    }
    match session::check(context, app, &turn.lease.key).await? {
        MaySend::Yes => {
            let reply = turn
                .open_parts
                .iter()
                .filter(|part| part.reply_id == first.reply_id);
            send_all(context, app, turn, reply).await?;
        }
        MaySend::No { handled, reason } => {
            still_ours(drop_reply(reason, Owed::Handled(handled)).await?)?;
        }
    }
    Ok(Left::More)
}

/// Sends the parts of one reply in order; the rest of it is dropped by the store once a part has failed.
async fn send_all<'a>(
    context: &Context,
    app: &App,
    turn: &Turn,
    parts: impl Iterator<Item = &'a Part>,
) -> Result<(), Fault> {
    for part in parts {
        if send(context, app, &turn.lease, part).await? == Sent::ReplyOver {
            break;
        }
    }
    Ok(())
}

/// Ends all messages of this round without a word.
async fn handle_owed(context: &Context, turn: &Turn, handled: Handled) -> Result<Left, Fault> {
    still_ours(
        context
            .store
            .set_handled(&turn.lease, &owed_ids(turn), handled)
            .await?,
    )?;
    count(handled, turn.owed.len());
    Ok(left(turn))
}

fn owed_ids(turn: &Turn) -> Vec<MessageId> {
    turn.owed.iter().map(|message| message.id.clone()).collect()
}

fn left(turn: &Turn) -> Left {
    if turn.owed_more { Left::More } else { Left::Nothing }
}

fn count(handled: Handled, messages: usize) {
    counter!("message_processed_total", "outcome" => handled.as_str()).increment(messages as u64);
}

fn still_ours(held: bool) -> Result<(), Fault> {
    if held { Ok(()) } else { Err(Fault::LeaseLost) }
}

/// The clock for what is compared with WeCom's times.
fn now() -> Millis {
    Millis(clock::now_ms())
}
