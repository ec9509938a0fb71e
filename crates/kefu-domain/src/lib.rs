//! The nouns of customer service and the pure rules over them.
//!
//! Nothing here reads a clock, draws a random number or talks to anybody: `now` and chance come in as
//! arguments, so every rule can be tested by stating its inputs.
//! Used by every other library; imports none of ours.

mod address;
mod budget;
mod conversation;
mod counted;
mod handover;
mod id;
#[cfg(test)]
mod linear;
mod message;
mod millis;
mod msgid;
mod plain_text;
mod planner;
mod reasoning;
mod rules;
mod turn;
mod words;

pub use budget::{Budget, PARTS_PER_MESSAGE_MAX, WINDOW};
pub use conversation::{ConversationKey, RowRef, SessionState, Silence};
pub use counted::{Counted, counted};
pub use handover::{HandoverKeywords, HandoverMatch, InvalidMatch};
pub use id::{AccountId, CorpId, CustomerId, InvalidId, MessageId};
pub use message::{CancelReason, Handled, Origin, PartStatus, Purpose, Source, UnknownWord};
pub use millis::Millis;
pub use msgid::{MSGID_LENGTH, PartName, msgid};
pub use plain_text::plain_text;
pub use planner::{TEXT_PART_BYTES_MAX, plan_text};
pub use reasoning::{InvalidThoughtMarks, ThoughtMarks};
pub use rules::{InvalidRule, Rules};
pub use turn::{CallEnd, OpenPart, PartNote, Step, TurnView, next_step};
