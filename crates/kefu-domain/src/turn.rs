//! What a turn does next, and what a call says about a part: decided here, done by the worker.

use crate::{Budget, Millis, PartStatus};

/// A part that is planned or on its way, as far as the decision looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPart {
    pub status: PartStatus,
    /// Some part of its reply has left.
    pub reply_started: bool,
}

/// What a turn knows of its conversation when it decides.
#[derive(Clone, Copy, Debug)]
pub struct TurnView<'a> {
    /// Oldest reply first, in order of their parts.
    pub open_parts: &'a [OpenPart],
    /// Whether a customer message is not handled yet.
    pub owes: bool,
    /// Whether a hand-over was decided and the session not moved yet. Open parts are then what is said about it.
    pub transfer_owed: bool,
    pub budget: Budget,
    pub now: Millis,
}

/// The one thing a round of a turn does. A number is the place of a part among the open ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its call was begun and nobody knows how it ended: called again, under its msgid.
    Repeat(usize),
    /// The same, and the window has closed: nobody will ever know.
    GiveUp(usize),
    /// The window closed before its reply was said.
    DropExpired(usize),
    /// The customer wrote again before any of its reply had left: one answer for all is decided anew.
    DropOvertaken(usize),
    /// Its reply is sent, should the session still allow it.
    Say(usize),
    /// The session is moved to the pool.
    Transfer,
    /// The window closed before the session was moved: nobody waits for it any more.
    DropTransfer,
    /// Messages are owed and the window is closed: they end without a word.
    Expire,
    Answer,
    /// Nothing is left to do.
    Release,
}

/// Decides the next step. What is unclear comes first, what is planned second, what is new last: parts of one
/// reply stay in order, and nothing new is said while the old is not settled. What the customer writes meanwhile does
/// not overtake a hand-over, which is of the conversation and no answer: said first, then done.
pub fn next_step(view: &TurnView<'_>) -> Step {
    let window_open = view.budget.window_open(view.now);
    let unclear = view
        .open_parts
        .iter()
        .position(|part| part.status == PartStatus::Sending);
    match (unclear, view.open_parts.first()) {
        (Some(part), _) if window_open => Step::Repeat(part),
        (Some(part), _) => Step::GiveUp(part),
        (None, Some(_)) if !window_open => Step::DropExpired(0),
        (None, Some(first)) if view.owes && !first.reply_started && !view.transfer_owed => {
            Step::DropOvertaken(0)
        }
        (None, Some(_)) => Step::Say(0),
        (None, None) if view.transfer_owed && window_open => Step::Transfer,
        (None, None) if view.transfer_owed => Step::DropTransfer,
        (None, None) if !view.owes => Step::Release,
        (None, None) if !window_open => Step::Expire,
        (None, None) => Step::Answer,
    }
}

/// How a call of `send_msg` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    Accepted,
    /// WeCom has seen this msgid before.
    MsgidUsed,
    /// Refused, cut off or not answered: it may work later.
    Later,
    /// Refused for good.
    Never,
}

/// What is noted on the part after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartNote {
    Sent,
    /// Never sent by this database and yet used: an earlier life of it said the whole reply.
    SaidBefore,
    /// It may have gone out: only the same msgid may be tried again.
    Ambiguous,
    /// It certainly did not go out: planned again, so that a newer message or a person may overtake it, under a new
    /// msgid, because whether a refused call used the old one up is not documented.
    PlanAgain,
    /// It may have gone out, and no further try will tell.
    Unknown,
    Failed,
}

impl CallEnd {
    /// `ambiguous`: this call or an earlier one under the same msgid may have gone through.
    pub fn note(self, ambiguous: bool) -> PartNote {
        match (self, ambiguous) {
            (CallEnd::Accepted, _) | (CallEnd::MsgidUsed, true) => PartNote::Sent,
            (CallEnd::MsgidUsed, false) => PartNote::SaidBefore,
            (CallEnd::Later, true) => PartNote::Ambiguous,
            (CallEnd::Later, false) => PartNote::PlanAgain,
            (CallEnd::Never, true) => PartNote::Unknown,
            (CallEnd::Never, false) => PartNote::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
