#![expect(clippy::unwrap_used, reason = "tests")]

mod peers;

mod flow;
mod lifetime;
mod resets;
