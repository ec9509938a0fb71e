//! A turn: settle what is open, answer what is new, give the lease back when nothing is owed.

mod answer;
mod handover;
mod prompt;
mod said;
mod send;
mod session;

use std::time::Duration;

use futures::FutureExt;
use kefu_domain::{CancelReason, Handled, MessageId, Millis, Step};
use kefu_outbound::App;
use kefu_process::clock;
use kefu_process::crash::crash_point;
use kefu_store::{Owed, Part, PartOutcome, Released, Settled, Turn};
use metrics::counter;
use tokio::time::Instant;

use crate::context::Context;
use crate::jobs::turn_limits;
use crate::lease::LEASE;
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
    crash_point("conversation_claimed");
    let started_at = Instant::now();
    loop {
        if context.model.is_some() {
            prompt::fit(&mut turn, context.prompt_tokens_max);
        }
        if round(context, app, &turn).boxed().await? == Left::Nothing {
            match context
                .store
                .release_conversation(&turn.lease, turn.wanted)
                .await?
            {
                Released::Free => {
                    crash_point("conversation_released");
                    return Ok(());
                }
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

async fn round(context: &Context, app: &App, turn: &Turn) -> Result<Left, Fault> {
    let lease = &turn.lease;
    let drop_reply = |part: usize, reason, owed| {
        context
            .store
            .cancel_reply(lease, &turn.open_parts[part].reply_id, reason, owed)
    };
    match turn.next_step() {
        Step::Repeat(part) => repeat(context, app, turn, &turn.open_parts[part]).await?,
        Step::GiveUp(part) => {
            let outcome = PartOutcome::Unknown {
                error: "the 48 h window closed before its outcome was known".to_owned(),
            };
            let msgid = &turn.open_parts[part].msgid;
            let settled = context.store.settle_part(lease, msgid, &outcome).await?;
            still_ours(settled != Settled::LeaseLost)?;
        }
        Step::DropExpired(part) => {
            let owed = Owed::Handled(Handled::Expired);
            still_ours(drop_reply(part, CancelReason::Expired, owed).await?)?;
        }
        Step::DropOvertaken(part) => {
            still_ours(drop_reply(part, CancelReason::Overtaken, Owed::Again).await?)?;
        }
        Step::Say(part) => say(context, app, turn, &turn.open_parts[part]).await?,
        Step::Transfer => return handover::transfer(context, app, turn).await,
        Step::DropTransfer => return handover::expire(context, app, turn).await,
        Step::Expire => return handle_owed(context, turn, Handled::Expired).await,
        Step::Answer => return answer::answer(context, app, turn).await,
        Step::Release => return Ok(Left::Nothing),
    }
    Ok(Left::More)
}

/// Sends a part again whose call was begun.
async fn repeat(context: &Context, app: &App, turn: &Turn, part: &Part) -> Result<(), Fault> {
    let answered = context.store.answered_by(&turn.lease.key, &part.reply_id).await?;
    if !said::settled(context, turn, part, &answered).await? {
        let sent = send(context, app, &turn.lease, part).await?;
        said::note(context, turn, part, &answered, sent).await;
    }
    Ok(())
}

/// Sends what is open of the reply that begins with this part, should the session still allow it.
async fn say(context: &Context, app: &App, turn: &Turn, first: &Part) -> Result<(), Fault> {
    let (lease, reply_id) = (&turn.lease, &first.reply_id);
    let answered = context.store.answered_by(&lease.key, reply_id).await?;
    let said = said::overtook(context, turn, first, &answered).await;
    if !said.is_empty() {
        let reason = CancelReason::SaidBefore;
        still_ours(
            context
                .store
                .cancel_reply(lease, reply_id, reason, Owed::Again)
                .await?,
        )?;
        // Without asking a second time: what is known now may be forgotten then.
        return said::end(context, turn, &said).await;
    }
    let (reason, owed) = match session::check(context, app, &lease.key).await? {
        MaySend::Yes => {
            let parts = turn.open_parts.iter().filter(|part| part.reply_id == *reply_id);
            return send_all(context, app, turn, parts, &answered).await;
        }
        MaySend::No { handled, reason } => (reason, Owed::Handled(handled)),
    };
    still_ours(context.store.cancel_reply(lease, reply_id, reason, owed).await?)
}

/// Sends the parts of one reply to these messages in order; the store drops the rest of it once a part has failed.
async fn send_all<'a>(
    context: &Context,
    app: &App,
    turn: &Turn,
    parts: impl Iterator<Item = &'a Part>,
    answered: &[MessageId],
) -> Result<(), Fault> {
    let mut answered = answered;
    for part in parts {
        let sent = send(context, app, &turn.lease, part).await?;
        // Once is enough. Not the first part of the reply perhaps: whoever sent that may have died before the note.
        said::note(context, turn, part, std::mem::take(&mut answered), sent).await;
        if sent != Sent::Out {
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
