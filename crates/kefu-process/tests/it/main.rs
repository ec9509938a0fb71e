#![expect(clippy::unwrap_used, reason = "tests")]

mod process;
mod settings;
mod web;
