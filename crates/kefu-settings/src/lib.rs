//! Settings: layers (reference, file, environment), their strict reading into typed sections, and what is wrong with them.
//!
//! It hides TOML and the environment; every role reads its sections through it. Nothing in here knows what a section
//! is for.

mod error;
mod node;
mod place;
mod read;
mod settings;

pub use error::SettingsError;
pub use place::{AsUser, Unusable, absolute};
pub use settings::{REFERENCE, SECTIONS, Settings};
