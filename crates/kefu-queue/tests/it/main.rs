#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod conformance;
mod damaged;
mod embedded;
mod outlet;
mod rabbit;
mod settings;
mod spool;
