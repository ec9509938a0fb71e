#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod conformance;
mod contention;
mod damaged;
mod embedded;
mod outlet;
mod rabbit;
mod settings;
mod spool;
