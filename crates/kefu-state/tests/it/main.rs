#![expect(clippy::unwrap_used, reason = "tests")]

mod away;
mod conformance;
mod keys;
mod refusals;
mod said;
mod support;
