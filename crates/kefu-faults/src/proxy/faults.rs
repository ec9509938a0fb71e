//! What can be wrong between two peers.

use std::num::NonZeroUsize;
use std::time::Duration;

/// The default is no fault at all. Each field works for itself, and for both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// What each chunk waits before it goes on. Chunks wait side by side, so it costs no throughput
    /// (up to 4 MiB on the way in each direction of a connection).
    pub latency: Duration,
    /// A chunk waits between nothing and this much longer. The order stays.
    pub jitter: Duration,
    /// Forward in pieces of so many bytes, each a write (and a packet) of its own.
    pub slice: Option<NonZeroUsize>,
    /// Between two pieces of one direction; counts only together with `slice`.
    pub slice_pause: Duration,
    /// Nothing goes through, not even an end, and nothing is cut; new connections are taken and hang.
    /// What arrives waits and goes on afterwards.
    pub black_hole: bool,
    /// New connections are taken and closed at once; present ones go on.
    pub refuse: bool,
    /// The chance, from 0 to 1, that a chunk is not forwarded and its connection is reset at both ends instead.
    pub reset: f64,
    /// Jitter and resets are drawn from this, from the number of the connection and from its direction.
    /// The same connections with the same chunks meet the same faults; where the kernel parts chunks is its own
    /// affair.
    pub seed: u64,
}
