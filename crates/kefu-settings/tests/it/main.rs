#![expect(clippy::unwrap_used, reason = "tests")]

mod place;
mod settings;
