#![expect(clippy::unwrap_used, reason = "tests")]

mod environment;
mod languages;
mod place;
mod settings;
