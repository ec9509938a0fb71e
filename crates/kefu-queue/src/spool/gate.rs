use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use crate::{PublishError, QueueHealth};

pub(super) const NOT_CONFIRMED: &str = "the broker does not confirm in time";

/// Whether the broker answers. While it does not, one publish at a time finds out when it does.
#[derive(Debug, Default)]
pub(super) struct Gate {
    silent: AtomicBool,
    /// Held by whoever asks a silent broker.
    pub(super) probe: Mutex<()>,
}

impl Gate {
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// An answer is an answer, even a no; a lost connection says nothing, and costs nobody time.
    pub(super) fn note(&self, outcome: &Result<(), PublishError>) {
        match outcome {
            Err(PublishError::TimedOut) => self.silent.store(true, Ordering::Relaxed),
            Ok(()) | Err(PublishError::Returned | PublishError::Nacked) => {
                self.silent.store(false, Ordering::Relaxed);
            }
            Err(PublishError::Unavailable | PublishError::Blocked | PublishError::TooLarge { .. }) => (),
        }
    }
}

/// Why nothing can be published, as far as the engine knows.
pub(super) fn trouble_of(health: &QueueHealth) -> Option<String> {
    match (health.connected, health.blocked) {
        (true, false) => None,
        _ => Some(health.detail.clone()),
    }
}
