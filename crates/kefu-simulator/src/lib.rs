//! A strict stand-in for WeCom customer service: its API with the rules enforced, its callbacks with their
//! retries, its customers (scripted, or a person in a browser), and a language model with predictable answers.
//!
//! Made for tests, demonstrations and measurements of anything that talks to WeCom; it shares only the cipher
//! of callbacks with the rest of this project. Everything it knows is lost when it ends.

mod api;
mod callback;
mod clock;
mod connection;
mod control;
pub mod faults;
mod handle;
mod ids;
mod model;
mod page;
pub mod report;
pub mod script;
pub mod settings;
mod simulator;
pub mod tags;
pub mod world;

pub use callback::{NotTaken, Trouble};
pub use faults::{Effect, Fault};
pub use handle::{Handle, InvalidCallbackUrl, parse_callback_url};
pub use report::Report;
pub use script::{Progress, Script, play};
pub use settings::{Credentials, RepeatCheck, SimulatorSettings};
pub use simulator::{Simulator, start};
