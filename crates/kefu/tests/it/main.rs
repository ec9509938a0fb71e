//! The rules of the workspace and, through the operator's command, the system end to end.
#![expect(clippy::unwrap_used, reason = "tests")]

mod workspace;

mod stage;

mod by_hand;
mod callback_keys;
mod chaos;
mod commands;
mod conversation;
mod crash_points;
mod dead_letters;
mod demo;
mod fleet;
mod in_force;
mod in_the_clear;
mod json_fields;
mod lists;
mod mistakes;
mod mixtures;
mod odd_letters;
mod official;
mod private_files;
mod refusals;
mod refusing_services;
mod replays;
mod replies;
mod simulate;
mod start_and_end;
mod telemetry;
mod unread_stderr;
mod waiting;
