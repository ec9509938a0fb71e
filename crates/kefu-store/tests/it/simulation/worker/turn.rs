//! `kf.turn`: drains a conversation. What comes next is the product's own decision.

use std::time::Duration;

use kefu_domain::{
    CancelReason, Handled, MessageId, PartStatus, Purpose, SessionState, Silence, Source, Step, plan_text,
};
use kefu_store::{
    AcquiredConversation, ConversationLease, Decision, NewPart, Owed, Part, PartOutcome, Released, Turn,
    Whose,
};

use super::handover;
use super::send::{Sent, send, still_ours};
use super::{Fault, Verdict, after_failure};
use crate::harness::key;
use crate::simulation::broker::Job;
use crate::simulation::mutation::Mutation;
use crate::simulation::world::{Hand, Held, short};

/// After so many rounds what is owed gets a turn of its own.
const ROUNDS_MAX: u32 = 8;
/// After a question that took longer the session state is read again, in ms.
const STATE_AGE_MAX: i64 = 1_000;

pub(super) async fn run(hand: &Hand<'_>, job: &Job, redelivered: bool, customer: &str) -> Verdict {
    let acquired = hand
        .told(
            || format!("asks for {customer} with {} (redelivered {redelivered})", job.id),
            |world| match world
                .store
                .acquire_conversation(&key(customer), &job.id, redelivered)
            {
                AcquiredConversation::Won(turn) => {
                    world.held[hand.worker] = Some(Held::Conversation(turn.lease.clone()));
                    let text = format!("fence {}, {:?}", turn.lease.fence, turn.next_step());
                    Told(Some((world.step, *turn)), text)
                }
                other => Told(None, format!("{other:?}")),
            },
        )
        .await;
    let Told(Some((began, turn)), _) = acquired else {
        return Verdict::Done;
    };
    let lease = turn.lease.clone();
    let (failures, own_failures) = (turn.failures, turn.own_failures);
    let fault = match drain(hand, began, turn).await {
        Ok(()) | Err(Fault::LeaseLost) => return Verdict::Done,
        Err(fault) => fault,
    };
    let whose = match fault {
        Fault::Wait(wait) => return park(hand, &lease, wait).await,
        Fault::Own if after_failure(own_failures).exhausted => {
            hand.told(
                || format!("gives {customer} up"),
                |world| world.store.give_up_conversation(&lease, Handled::Failed),
            )
            .await;
            return Verdict::Dead;
        }
        Fault::Own => Whose::Ours,
        Fault::Outside | Fault::LeaseLost => Whose::Theirs,
    };
    if job.attempt == 1 && !redelivered && 0 < failures {
        return park(hand, &lease, after_failure(failures - 1).wake_in).await;
    }
    let next = after_failure(failures);
    let failures = hand
        .told(
            || format!("turn of {customer} failed: {fault:?}"),
            |world| world.store.fail_conversation(&lease, next.wake_in, whose),
        )
        .await;
    match failures {
        0 => Verdict::Done,
        _ => Verdict::Retry(next.delay),
    }
}

async fn park(hand: &Hand<'_>, lease: &ConversationLease, wait: Duration) -> Verdict {
    hand.told(
        || format!("parks {} for {wait:?}", lease.key.customer),
        |world| world.store.park_conversation(lease, wait),
    )
    .await;
    Verdict::Done
}

async fn drain(hand: &Hand<'_>, mut began: u64, mut turn: Turn) -> Result<(), Fault> {
    for _ in 0..ROUNDS_MAX {
        if !round(hand, began, &turn).await? {
            let released = hand
                .told(
                    || format!("gives {} back", turn.lease.key.customer),
                    |world| world.store.release_conversation(&turn.lease, turn.wanted),
                )
                .await;
            match released {
                Released::Free => return Ok(()),
                Released::Lost => return Err(Fault::LeaseLost),
                Released::Again(()) => (),
            }
        }
        let lease = turn.lease.clone();
        let fresh = hand
            .step(|world| world.store.reload_turn(&lease).map(|turn| (world.step, turn)))
            .await;
        (began, turn) = fresh.ok_or(Fault::LeaseLost)?;
    }
    Err(Fault::Wait(Duration::ZERO))
}

/// One round; whether it left something for the next.
async fn round(hand: &Hand<'_>, began: u64, turn: &Turn) -> Result<bool, Fault> {
    let step = mutated(hand, turn, turn.next_step()).await;
    match step {
        Step::Repeat(place) => drop(send(hand, turn, began, &turn.open_parts[place]).await?),
        Step::GiveUp(place) => {
            let error = "the window closed".to_owned();
            let (msgid, outcome) = (&turn.open_parts[place].msgid, PartOutcome::Unknown { error });
            let settled = hand
                .told(
                    || format!("gives {msgid} up as unknown"),
                    |world| world.store.settle_part(&turn.lease, msgid, &outcome),
                )
                .await;
            still_ours(settled)?;
        }
        Step::DropExpired(place) => {
            let owed = Owed::Handled(Handled::Expired);
            cancel(hand, turn, place, CancelReason::Expired, owed).await?;
        }
        Step::DropOvertaken(place) => {
            cancel(hand, turn, place, CancelReason::Overtaken, Owed::Again).await?;
        }
        Step::Say(place) => match session(hand, turn).await? {
            None => {
                let reply_id = &turn.open_parts[place].reply_id;
                let parts = turn.open_parts.iter().filter(|part| part.reply_id == *reply_id);
                send_all(hand, turn, began, parts).await?;
            }
            Some(Silence { handled, reason }) => {
                cancel(hand, turn, place, reason, Owed::Handled(handled)).await?;
            }
        },
        Step::Transfer => handover::transfer(hand, turn).await?,
        Step::DropTransfer => handover::end(hand, turn, Handled::Expired).await?,
        Step::Expire => return handle_owed(hand, turn, Handled::Expired).await,
        Step::Answer => return answer(hand, began, turn).await,
        Step::Release => return Ok(false),
    }
    Ok(true)
}

/// Decisions that are wrong on purpose.
async fn mutated(hand: &Hand<'_>, turn: &Turn, step: Step) -> Step {
    let mutation = hand.world.borrow().mutation;
    match step {
        Step::Repeat(place) if mutation == Mutation::PartsOutOfOrder && place + 1 < turn.open_parts.len() => {
            Step::Repeat(place + 1)
        }
        Step::Say(place) if mutation == Mutation::StartedReplyOvertaken && !turn.owed.is_empty() => {
            Step::DropOvertaken(place)
        }
        Step::GiveUp(place) if mutation == Mutation::WindowIgnored => Step::Repeat(place),
        Step::Transfer if mutation == Mutation::TransferForgotten => Step::Release,
        step => step,
    }
}

async fn cancel(
    hand: &Hand<'_>,
    turn: &Turn,
    place: usize,
    reason: CancelReason,
    owed: Owed,
) -> Result<(), Fault> {
    let reply_id = &turn.open_parts[place].reply_id;
    let held = hand
        .told(
            || format!("drops reply {reply_id} ({reason:?})"),
            |world| {
                let held = world.store.cancel_reply(&turn.lease, reply_id, reason, owed);
                if held {
                    world.accepted(&turn.lease, "a cancel");
                }
                held
            },
        )
        .await;
    still_ours(held)
}

/// Reads who may speak; `None`: we may.
pub(super) async fn session(hand: &Hand<'_>, turn: &Turn) -> Result<Option<Silence>, Fault> {
    let customer = turn.lease.key.customer.as_str();
    let state = hand
        .told(
            || format!("reads the session of {customer}"),
            |world| match world.mutation {
                Mutation::TakeoverStillSends => Some(SessionState::Assistant),
                _ => world.session(customer),
            },
        )
        .await;
    state.map(SessionState::silence).ok_or(Fault::Outside)
}

async fn answer(hand: &Hand<'_>, began: u64, turn: &Turn) -> Result<bool, Fault> {
    if let Some(silence) = session(hand, turn).await? {
        return handle_owed(hand, turn, silence.handled).await;
    }
    if handover::begin(hand, turn, &owed_ids(turn)).await? {
        return Ok(true);
    }
    let asked_at = hand.step(|world| world.now).await;
    let poison = turn
        .owed
        .iter()
        .any(|message| message.text.as_deref() == Some("poison"));
    // The model takes its time.
    let made_up = hand
        .step(|world| {
            world.answers += 1;
            let parts = 1 + world.chance.below(3);
            let failed = world.faults && world.chance.hits(50);
            (!failed).then_some((world.answers, parts, world.now))
        })
        .await;
    if poison {
        return Err(Fault::Own);
    }
    let (number, parts, answered_at) = made_up.ok_or(Fault::Outside)?;
    if STATE_AGE_MAX < answered_at - asked_at
        && let Some(silence) = session(hand, turn).await?
    {
        return handle_owed(hand, turn, silence.handled).await;
    }
    let ids = owed_ids(turn);
    let text = text(number, parts, &ids);
    let decision = Decision {
        answers: ids.last().unwrap().clone(),
        answered: ids,
        handled: Handled::Answered,
        parts: plan_text(&text, turn.budget.parts_left().max(1))
            .into_iter()
            .map(|text| NewPart {
                purpose: Purpose::Reply,
                generation: 0,
                text,
            })
            .collect(),
        source: Source::Model,
    };
    let decided = hand
        .told(
            || format!("decides on answer {number} to {:?}", decision.answered),
            |world| {
                let parts = world.store.decide(&turn.lease, &decision);
                if parts.is_some() {
                    world.accepted(&turn.lease, "a decision");
                }
                let ids = parts.iter().flatten().map(|part| short(&part.msgid));
                let ids = format!("{:?}", ids.collect::<Vec<_>>());
                Told(parts, ids)
            },
        )
        .await;
    let parts = decided.0.ok_or(Fault::LeaseLost)?;
    let open = parts
        .iter()
        .filter(|part| matches!(part.status, PartStatus::Planned | PartStatus::Sending));
    send_all(hand, turn, began, open).await?;
    Ok(turn.owed_more)
}

/// A result with the words for the trace.
struct Told<T>(T, String);

impl<T> std::fmt::Debug for Told<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}

/// A text that the planner cuts into `parts`, each of which names its answer, its number and what it answers.
fn text(answer: u32, parts: usize, ids: &[MessageId]) -> String {
    let ids: Vec<&str> = ids.iter().map(MessageId::as_str).collect();
    let ids = ids.join(",");
    let lines: Vec<String> = (1..=parts)
        .map(|part| {
            let line = format!("{answer} {part} {ids} ");
            format!("{line:.<1500}")
        })
        .collect();
    lines.join("\n")
}

async fn send_all<'a>(
    hand: &Hand<'_>,
    turn: &Turn,
    began: u64,
    parts: impl Iterator<Item = &'a Part>,
) -> Result<(), Fault> {
    for part in parts {
        if send(hand, turn, began, part).await? == Sent::ReplyOver {
            break;
        }
    }
    Ok(())
}

async fn handle_owed(hand: &Hand<'_>, turn: &Turn, handled: Handled) -> Result<bool, Fault> {
    let ids = owed_ids(turn);
    let held = hand
        .told(
            || format!("ends {ids:?} as {handled:?}"),
            |world| world.store.set_handled(&turn.lease, &ids, handled),
        )
        .await;
    still_ours(held)?;
    Ok(turn.owed_more)
}

fn owed_ids(turn: &Turn) -> Vec<MessageId> {
    turn.owed.iter().map(|message| message.id.clone()).collect()
}
