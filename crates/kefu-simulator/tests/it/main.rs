#![expect(clippy::unwrap_used, reason = "tests")]

mod bot;
mod callbacks;
mod control;
mod counting;
mod document;
mod http;
mod model;
mod page;
mod play;
mod rules_events;
mod rules_send;
mod rules_sessions;
mod rules_sync;
mod running;
