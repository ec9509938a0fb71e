#![expect(clippy::unwrap_used, reason = "tests")]

mod away;
mod conformance;
mod forwarder;
mod keys;
mod refusals;
mod support;
