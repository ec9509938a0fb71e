#![expect(clippy::unwrap_used, reason = "tests")]

mod away;
mod conformance;
mod keys;
mod limits;
mod refusals;
mod said;
mod support;
