//! Settings: layers (reference, file, environment), their strict reading into typed sections, and what is wrong with them.
//!
//! It hides TOML and the environment; every role reads its sections through it. Nothing in here knows what a section
//! is for.

mod effective;
mod environment;
mod error;
mod forms;
mod layer;
mod near;
mod node;
mod odd_places;
mod origin;
mod place;
mod private;
mod problem;
mod problems;
mod read;
mod reference;
mod settings;

pub use effective::{Effective, Shown};
pub use error::{SettingsError, SettingsErrors};
pub use near::is_this_machine;
pub use origin::Origin;
pub use place::{AsUser, Unusable, absolute, no_file, no_folder};
pub use private::{Readable, keep_private, open_to_all, tighten};
pub use problems::Problems;
pub use settings::{REFERENCE, REFERENCE_ZH, SECTIONS, Settings};
