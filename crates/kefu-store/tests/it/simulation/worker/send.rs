//! Sending one part: marked first, then called, then settled. What a call means is the product's own decision.

use kefu_domain::{CallEnd, Handled, PartNote, PartStatus};
use kefu_store::{Part, PartOutcome, Turn};

use super::turn::session;
use super::{Fault, RATE_PAUSE};
use crate::simulation::mutation::Mutation;
use crate::simulation::wecom::{Answer, Call};
use crate::simulation::world::{Hand, short};

/// How often one run repeats a call.
const QUICK_RETRIES: u32 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Next,
    ReplyOver,
}

/// One call, with its part and what is known of earlier calls.
struct Sending<'a, 's> {
    hand: &'a Hand<'s>,
    turn: &'a Turn,
    part: &'a Part,
    ambiguous: bool,
}

pub(super) async fn send(hand: &Hand<'_>, turn: &Turn, began: u64, part: &Part) -> Result<Sent, Fault> {
    let mutation = hand.world.borrow().mutation;
    let repeated = part.status == PartStatus::Sending;
    let call = Call {
        customer: turn.lease.key.customer.as_str().to_owned(),
        msgid: part.msgid.clone(),
        text: part.text.clone(),
    };
    if mutation == Mutation::CallBeforeMark {
        let answer = hand
            .told(
                || format!("calls {} unmarked", short(&part.msgid)),
                |world| world.send(turn, began, &call, repeated),
            )
            .await;
        if answer == Answer::Unclear {
            return Err(Fault::Outside);
        }
    }
    let marked = hand
        .told(
            || format!("marks {} as sending", short(&part.msgid)),
            |world| {
                let marked = world.store.mark_sending(&turn.lease, &part.msgid);
                if marked {
                    world.accepted(&turn.lease, "a mark");
                }
                marked
            },
        )
        .await;
    if !marked {
        return Ok(Sent::ReplyOver);
    }
    let mut sending = Sending {
        hand,
        turn,
        part,
        ambiguous: (part.ambiguous || repeated) && mutation != Mutation::AmbiguityForgotten,
    };
    for tries_left in (0..=QUICK_RETRIES).rev() {
        let answer = hand
            .told(
                || format!("calls {}", short(&part.msgid)),
                |world| world.send(turn, began, &call, repeated),
            )
            .await;
        match answer {
            Answer::Accepted => return sending.note(CallEnd::Accepted, Handled::Answered).await,
            Answer::MsgidUsed => return sending.note(CallEnd::MsgidUsed, Handled::Answered).await,
            _ => (),
        }
        sending.ambiguous |= answer == Answer::Unclear && mutation != Mutation::AmbiguityForgotten;
        let is_brief = matches!(answer, Answer::Unclear | Answer::Busy);
        if tries_left == 0 || !is_brief {
            return sending.refused(answer).await;
        }
    }
    Ok(Sent::ReplyOver)
}

impl Sending<'_, '_> {
    async fn refused(&self, answer: Answer) -> Result<Sent, Fault> {
        match answer {
            Answer::RateLimited => {
                self.note(CallEnd::Later, Handled::Failed).await?;
                Err(Fault::Wait(RATE_PAUSE))
            }
            Answer::Forbidden => match session(self.hand, self.turn).await {
                Ok(Some(silence)) => self.note(CallEnd::Never, silence.handled).await,
                Ok(None) => self.note(CallEnd::Never, Handled::Expired).await,
                Err(fault) => {
                    self.note(CallEnd::Later, Handled::Failed).await?;
                    Err(fault)
                }
            },
            Answer::WindowOver => self.note(CallEnd::Never, Handled::Expired).await,
            Answer::BudgetSpent | Answer::Refused => self.note(CallEnd::Never, Handled::Failed).await,
            Answer::Unclear | Answer::Busy | Answer::Accepted | Answer::MsgidUsed => {
                self.note(CallEnd::Later, Handled::Failed).await?;
                Err(Fault::Outside)
            }
        }
    }

    async fn note(&self, end: CallEnd, handled: Handled) -> Result<Sent, Fault> {
        let error = "simulated".to_owned();
        let mutation = self.hand.world.borrow().mutation;
        let note = match end.note(self.ambiguous) {
            PartNote::Ambiguous if mutation == Mutation::NewMsgidOnRepeat => PartNote::PlanAgain,
            note => note,
        };
        let (outcome, then) = match note {
            PartNote::Sent => (PartOutcome::Sent, Sent::Next),
            PartNote::SaidBefore => (PartOutcome::SaidBefore, Sent::ReplyOver),
            PartNote::Ambiguous => (PartOutcome::Ambiguous { error }, Sent::Next),
            PartNote::PlanAgain => {
                self.plan_again().await;
                return Ok(Sent::Next);
            }
            PartNote::Unknown => (PartOutcome::Unknown { error }, Sent::ReplyOver),
            PartNote::Failed => {
                let code = None;
                (PartOutcome::Failed { code, error, handled }, Sent::ReplyOver)
            }
        };
        let (turn, msgid) = (self.turn, &self.part.msgid);
        let held = self
            .hand
            .told(
                || format!("settles {} as {note:?}", short(msgid)),
                |world| {
                    let held = world.store.settle_part(&turn.lease, msgid, &outcome);
                    if held && !matches!(note, PartNote::Sent | PartNote::Ambiguous) {
                        world.accepted(&turn.lease, "an end");
                    }
                    if held && note == PartNote::SaidBefore {
                        let what = format!("{msgid} counts as said by an earlier life of the database");
                        world.checks.violated(what);
                    }
                    held
                },
            )
            .await;
        still_ours(held)?;
        Ok(then)
    }

    async fn plan_again(&self) {
        let (turn, msgid) = (self.turn, &self.part.msgid);
        self.hand
            .told(
                || format!("plans {} again", short(msgid)),
                |world| {
                    let planned = world.store.replan_part(&turn.lease, msgid);
                    if planned {
                        world.accepted(&turn.lease, "a new plan");
                    }
                    planned
                },
            )
            .await;
    }
}

pub(super) fn still_ours(held: bool) -> Result<(), Fault> {
    if held { Ok(()) } else { Err(Fault::LeaseLost) }
}
