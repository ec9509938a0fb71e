#![expect(clippy::unwrap_used, reason = "tests")]

mod connections;
mod process;
mod web;
