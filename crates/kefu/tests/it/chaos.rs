//! Faults under a whole Kefu: real processes on RabbitMQ, Redis and PostgreSQL, while a script of customers writes.
//!
//! Each test carries the number of its scenario. The normal test run plays all of them small; with the feature `chaos`
//! (`scripts/chaos`) they grow to their full size, further ones join, and each leaves a row in the table.

mod broker;
mod broker_alarms;
#[cfg(feature = "chaos")]
mod broker_away;
mod broker_changes;
mod callers;
mod case;
#[cfg(feature = "chaos")]
mod clocks;
mod crashes;
mod database;
#[cfg(feature = "chaos")]
mod everything;
mod limits;
mod network;
mod outages;
mod play;
mod processes;
mod redis;
mod restored;
mod wecom;

pub(crate) use case::Case;
pub(crate) use play::{Plan, Play};

/// How much of something: in the normal test run, or in `scripts/chaos`.
pub(crate) fn size<T>(small: T, full: T) -> T {
    if cfg!(feature = "chaos") { full } else { small }
}
