#![expect(clippy::unwrap_used, reason = "tests")]

mod languages;
mod place;
mod settings;
