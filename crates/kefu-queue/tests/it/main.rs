#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod conformance;
mod embedded;
mod forwarder;
mod outlet;
mod rabbit;
mod settings;
mod spool;
