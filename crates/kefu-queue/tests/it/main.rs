#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod conformance;
mod embedded;
mod forwarder;
mod rabbit;
mod settings;
