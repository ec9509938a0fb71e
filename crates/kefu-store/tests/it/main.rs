#![expect(clippy::unwrap_used, reason = "tests")]

//! One suite over both engines; every method of the store appears in it.

mod accounts;
mod budget;
mod cancelling;
mod crashes;
mod dead_letters;
mod dropped;
mod events;
mod handovers;
mod harness;
mod history;
mod listing;
mod migrating;
mod notices;
mod opening;
mod pages;
mod plans;
mod poison;
mod race;
mod records;
mod replies;
mod resolving;
mod simulation;
mod statements;
mod sweeping;
mod turns;
