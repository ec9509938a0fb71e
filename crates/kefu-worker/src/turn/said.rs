//! What was said, noted a second time in Redis: for a database that was restored from an older copy.
//!
//! It only ever makes Kefu say less, and only about messages whose answer surely went out. Messages are noted after
//! their reply was settled as sent, and the store owes none of those again, so in the life of one database nothing that
//! is owed is found here.

use kefu_domain::{Handled, MessageId, Purpose, counted};
use kefu_store::{Part, PartOutcome, Settled, Turn};
use metrics::counter;
use tracing::warn;

use super::send::Sent;
use super::{count, now, still_ours};
use crate::context::Context;
use crate::outcome::Fault;

/// Notes the messages a reply answers, once something of it is out. That a person comes is no answer: refused one, the
/// same messages are owed again.
pub(super) async fn note(context: &Context, turn: &Turn, part: &Part, answered: &[MessageId], sent: Sent) {
    if sent.is_out() && part.purpose != Purpose::Handover {
        context.state.note_said(&turn.lease.key, answered, now()).await;
    }
}

/// Ends those of the owed messages which were answered in a life that the database has forgotten; true if there were
/// any.
pub(super) async fn end_owed(context: &Context, turn: &Turn) -> Result<bool, Fault> {
    let owed = super::owed_ids(turn);
    let said = context.state.said_before(&turn.lease.key, &owed).await;
    if said.is_empty() {
        return Ok(false);
    }
    end(context, turn, &said).await?;
    Ok(true)
}

/// Ends messages that were answered before.
pub(super) async fn end(context: &Context, turn: &Turn, said: &[MessageId]) -> Result<(), Fault> {
    let held = context
        .store
        .set_handled(&turn.lease, said, Handled::History)
        .await?;
    still_ours(held)?;
    count(Handled::History, said.len());
    tell(said.len());
    Ok(())
}

/// Which messages of a planned reply, of which nothing has left, were answered before, perhaps by another one.
pub(super) async fn overtook(
    context: &Context,
    turn: &Turn,
    part: &Part,
    answered: &[MessageId],
) -> Vec<MessageId> {
    match part.reply_started {
        true => Vec::new(),
        false => context.state.said_before(&turn.lease.key, answered).await,
    }
}

/// Settles a first part whose call was begun, without a call, if everything it answers was answered before: the call
/// may have been refused then, and what was said instead have had another msgid. True if it did.
pub(super) async fn settled(
    context: &Context,
    turn: &Turn,
    part: &Part,
    answered: &[MessageId],
) -> Result<bool, Fault> {
    if part.part != 1 || answered.is_empty() {
        return Ok(false);
    }
    let said = context.state.said_before(&turn.lease.key, answered).await;
    if said.len() < answered.len() {
        return Ok(false);
    }
    let settled = context
        .store
        .settle_part(&turn.lease, &part.msgid, &PartOutcome::Sent)
        .await?;
    // Settled since it was read, it was said by a run of this job whose lease is now ours: nothing is forgotten.
    if settled == Settled::Noted {
        tell(said.len());
    }
    Ok(true)
}

fn tell(messages: usize) {
    warn!(
        messages,
        "{} had been answered before: was the database restored from a backup?",
        counted(messages, "message")
    );
    counter!("kefu_said_before_total").increment(messages as u64);
}
