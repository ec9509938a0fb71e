#![expect(clippy::unwrap_used, reason = "tests")]

mod calls;
mod crypto;
mod damaged;
mod envelope;
mod event;
mod failures;
mod media;
mod message;
mod packed;
mod properties;
mod query;
mod settings;
mod stub;
mod tokens;
