#![expect(clippy::unwrap_used, reason = "tests")]

mod environment;
mod files;
mod languages;
mod place;
mod settings;
