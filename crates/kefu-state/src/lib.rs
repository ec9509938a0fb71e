//! Claims, access tokens, limits and the cursor mirror, shared by all processes through Redis.
//!
//! Everything here is a fast path that may vanish: the database decides what is true, and no operation
//! returns an error to its caller. While Redis is away a bounded memory stands in for it, so this process
//! goes on with what it knows itself; `degraded` says so, and the first operation that gets through ends it.
//! Used by the worker; the only crate that names Redis.
//!
//! A Redis user for Kefu needs the keys `event:processed:*`, `kf:cursor:*`, `wecom:token:*` and `pause:*`, and
//! the commands EVAL, GET, PTTL, SET, SETRANGE, DEL, SELECT, PING and UNWATCH.

mod availability;
mod error;
mod keys;
mod limit;
mod measured;
mod memory;
mod redis_engine;
mod scripts;
mod settings;
mod state;

pub use error::StateError;
pub use limit::{Call, PAUSE_MAX, Pause, Told};
pub use measured::METRICS;
pub use settings::StateSettings;
pub use state::{Claim, State, StateHealth};
