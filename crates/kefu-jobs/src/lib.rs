//! The kinds of jobs: what each carries, the lane it takes by default and the row it concerns.
//!
//! Jobs wait in the queue over a deployment, so what was once written must still be read: fields are only ever added,
//! and the tests hold the bytes of every kind.
//! Used by whoever publishes or runs jobs; imports the domain and the queue.

mod conversation;
mod event;
mod id;
mod kind;

mod say;
mod sync;

pub use conversation::DrainConversation;
pub use event::StoreEvent;
pub use kind::{InvalidPayload, JobKind, KINDS, PUBLISH_WITHIN, stand_in};
pub use say::{SayNotice, SayWelcome};
pub use sync::{CaughtUp, SyncAccount};

#[cfg(test)]
mod tests;
