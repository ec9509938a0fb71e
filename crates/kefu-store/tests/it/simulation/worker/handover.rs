//! Handing a conversation over: decided and said first, then moved.

use kefu_domain::{Handled, MessageId};
use kefu_store::{Handover, OwedMessage, Turn};

use super::Fault;
use super::send::still_ours;
use super::turn::session;
use crate::simulation::mutation::Mutation;
use crate::simulation::wecom::Moved;
use crate::simulation::world::Hand;

/// How often a turn fails for the move before its customer is answered without it.
const FAILURES_MAX: u32 = 3;

/// Whether somebody asks for a person, which is decided then.
pub(super) async fn begin(hand: &Hand<'_>, turn: &Turn, ids: &[MessageId]) -> Result<bool, Fault> {
    let asks = |message: &&OwedMessage| message.text.as_deref() == Some("person") && !message.person_refused;
    let wishes: Vec<&str> = turn
        .owed
        .iter()
        .filter(asks)
        .map(|message| message.id.as_str())
        .collect();
    if wishes.is_empty() {
        return Ok(false);
    }
    let number = hand
        .step(|world| {
            world.answers += 1;
            world.answers
        })
        .await;
    let handover = Handover {
        asked: ids.to_vec(),
        answers: ids.last().unwrap().clone(),
        text: (0 < turn.budget.parts_left()).then(|| format!("{number} 1 -{} ", wishes.join(","))),
    };
    let decided = hand
        .told(
            || format!("decides to hand over for {ids:?} as {number}"),
            |world| {
                let decided = world.store.decide_handover(&turn.lease, &handover);
                if decided.is_some() {
                    world.accepted(&turn.lease, "a hand-over");
                }
                decided
            },
        )
        .await;
    decided.map(|_| true).ok_or(Fault::LeaseLost)
}

pub(super) async fn transfer(hand: &Hand<'_>, turn: &Turn) -> Result<(), Fault> {
    let customer = turn.lease.key.customer.as_str();
    if let Some(silence) = session(hand, turn).await? {
        return end(hand, turn, silence.handled).await;
    }
    let moved = hand
        .told(
            || format!("moves {customer} to the pool"),
            |world| world.transfer(customer),
        )
        .await;
    match moved {
        Moved::Done => return end(hand, turn, Handled::Pool).await,
        Moved::Unclear if turn.failures < FAILURES_MAX => return Err(Fault::Outside),
        Moved::Unclear | Moved::Refused => (),
    }
    let mutation = hand.world.borrow().mutation;
    match session(hand, turn).await? {
        Some(silence) => end(hand, turn, silence.handled).await,
        None if mutation == Mutation::RefusalTakenForMove => end(hand, turn, Handled::Pool).await,
        None => {
            let held = hand
                .told(
                    || format!("{customer} stays: refused"),
                    |world| world.store.refuse_handover(&turn.lease),
                )
                .await;
            still_ours(held)
        }
    }
}

pub(super) async fn end(hand: &Hand<'_>, turn: &Turn, handled: Handled) -> Result<(), Fault> {
    let held = hand
        .told(
            || format!("ends the hand-over as {handled:?}"),
            |world| world.store.end_handover(&turn.lease, handled),
        )
        .await;
    still_ours(held)
}
