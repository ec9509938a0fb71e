//! At-least-once delivery of jobs: envelope, lanes, retry ladder, dead letters.
//!
//! Hides RabbitMQ (`amqp://`, `amqps://`) and an embedded SQLite queue (`sqlite:PATH`) behind one contract;
//! ingress and worker cannot tell them apart, and one conformance suite runs over both.

mod queue;

mod delivery;
mod error;
mod job;
mod ladder;
mod lane;
mod settings;
mod story;

mod backoff;
mod check;
mod copy;
mod lock;

mod embedded;
mod measured;
mod rabbit;
mod spool;

pub use delivery::{Death, Delivery, Settled, Verdict};
pub use error::{PublishError, QueueError};
pub use job::{BODY_BYTES_MAX, ENVELOPE_VERSION, InvalidEnvelope, Job};
pub use ladder::{InvalidLadder, Ladder, Step};
pub use lane::Lane;
pub use measured::METRICS;
pub use queue::{Consumer, Depths, Driver, Queue, QueueHealth, RetryDepth};
pub use settings::{QueueSettings, Roles};
pub use spool::{Kept, NotKept, Order, Outlet, SpoolDriver, SpoolHealth, SpoolState};
pub use story::{Errors, NotedError};
