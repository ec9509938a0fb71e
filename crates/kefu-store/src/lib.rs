//! The database: accounts, conversations, messages, replies, app events and dead letters, with their leases.
//!
//! One use case is one [`Store`] method and one transaction, so no transaction leaves this crate and none is
//! open across an HTTP call. The SQL is written once for both engines, PostgreSQL and SQLite.
//! Every lease is judged by the database's clock and every write of a holder by its fence: a holder that lost
//! its lease writes nothing. Used by the worker and the operator's command; the ingress cannot reach it.

mod account;
mod conversation;
mod dead_letter;
mod due;
mod error;
mod event;
mod listed;
mod migrate;
mod notice;
mod outbox;
mod page;
mod reply;
mod scratch;
mod settings;
mod sql;
mod store;
mod text;
mod totals;
mod turn;
mod welcome;

pub use account::{AccountLease, AccountRow, AcquireAccount, AcquiredAccount, StaleAccount};
pub use conversation::{AcquiredConversation, ConversationLease, Whose};
pub use dead_letter::{Crash, DeadLetterRow, LetterQuery, LetterState, NewDeadLetter};
pub use due::Due;
pub use error::StoreError;
pub use event::{EventQuery, EventRow, NewEvent};
pub use listed::{Listed, Moment};
pub use migrate::Migrated;
pub use notice::{Notice, NoticeOutcome};
pub use outbox::{Owed, PartOutcome, Settled};
pub use page::{EventEffect, Late, Page, PageContent, PageMessage, PageOutcome};
pub use reply::{ReplyFilter, ReplyPlace, ReplyQuery, ReplyRow, Resolution, Resolved};
pub use scratch::Scratch;
pub use settings::DatabaseSettings;
pub use store::{Released, Store};
pub use totals::Totals;
pub use turn::{
    Decision, Handover, HandoverEnd, HistoryLine, NewPart, OwedMessage, Part, PoolCode, Speaker, Turn,
    TurnLimits,
};
pub use welcome::{Welcome, WelcomeOutcome};
