//! The worker against the simulator, over the embedded engines, all in one process.
//!
//! Numbers in names (`s30`) are those of the fault scenarios in the project's test plan.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bad_settings;
mod breakers;
mod catch_up;
mod crashes;
mod events;
mod failures;
mod first_run;
mod flow;
mod handover;
mod harness;
mod jobs;
mod letters;
mod limits;
mod model;
mod pages;
mod people;
mod pool;
mod private_files;
mod prompts;
mod readiness;
mod replies;
mod sends;
mod servers;
mod storms;
