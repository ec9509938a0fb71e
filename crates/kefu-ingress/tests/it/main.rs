#![expect(clippy::unwrap_used, reason = "tests")]

mod alone;
mod client;
mod running;

mod apps;
mod events;
mod garbage;
mod logs;
mod official;
mod ops;
mod paths;
mod private_files;
mod refusals;
mod settings;
mod slow;
mod spool;
mod stop;
