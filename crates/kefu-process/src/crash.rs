//! Named places where a test lets the process die: after one durable effect and before the next.
//!
//! Compiled only with the feature `crash-points`, which nothing but the tests of the executable turns on. Without it
//! passing a point costs nothing, and the variable has no meaning.
//!
//! `KEFU_CRASH_AT=page_committed=abort@1,reply_decided=panic@3` aborts the process, as `kill -9` would, at the first
//! passage through `page_committed`, and panics at every third one through `reply_decided`. Passages are counted from
//! the start of the process. A panic in the work of a job is contained by the worker and one in a callback by the
//! server; anywhere else (the sweeper, a job that waits for its verdict) it ends the process, with 70.
//!
//! Not to be reached from here are the places inside of the queue's own crate, which knows no process: a copy that is
//! published and its original not yet acked, and a spooled job that the broker has and the spool still holds.

#[cfg(feature = "crash-points")]
mod armed;
// Tested in any case, so that a change of it cannot break unseen.
#[cfg(any(test, feature = "crash-points"))]
mod plan;

#[cfg(feature = "crash-points")]
pub use armed::{check, crash_point};

/// Says where to crash. It has no `__`, so it is no setting.
pub const VARIABLE: &str = "KEFU_CRASH_AT";

/// A point, and what has happened before it. Each role has a table of its own, in the order of a message's life; each
/// point is passed at exactly one place in the sources, which a test of the workspace keeps so.
pub type Point = (&'static str, &'static str);

/// Refuses a `KEFU_CRASH_AT` that cannot be followed: `known` are the points of all roles of this executable.
#[cfg(not(feature = "crash-points"))]
pub fn check(_known: &[&[Point]]) -> Result<(), kefu_settings::SettingsError> {
    Ok(())
}

/// Passes a point of its role.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn crash_point(_name: &'static str) {}
