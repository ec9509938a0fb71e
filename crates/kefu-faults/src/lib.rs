//! Faults on demand, for tests: what stands between a process and a service it talks to.
//!
//! Nothing of this is part of what is shipped; other crates name it among their development dependencies only.

pub mod mutator;
mod proxy;

pub use proxy::faults::Faults;
pub use proxy::{FaultProxy, free_port};
