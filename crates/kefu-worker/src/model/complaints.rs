//! What went wrong with questions, in the log once a minute for each kind of failure, with a count of the others.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, warn};

use super::ModelError;

/// Between two lines of one kind.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<&'static str, Kind>>);

#[derive(Debug)]
struct Kind {
    told_at: Instant,
    untold: u64,
}

impl Complaints {
    /// A failure that a person has to mend is an error, one that may pass a warning.
    pub(super) fn log(&self, failure: &ModelError, address: &str) {
        let Some(untold) = self.due(failure.word(), Instant::now()) else {
            return;
        };
        let more = match untold {
            0 => String::new(),
            untold => format!(" ({untold} more like it in the last minute)"),
        };
        let cause = failure as &dyn Error;
        match failure.is_transient() {
            true => warn!(
                error = cause,
                model.address = address,
                "{failure}, at {address}{more}"
            ),
            false => error!(
                error = cause,
                model.address = address,
                "{failure}, at {address}{more}"
            ),
        }
    }

    /// Whether a line is due, and how many failures it stands for beside this one.
    fn due(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kinds.get_mut(kind) {
            Some(known) if now.saturating_duration_since(known.told_at) < EVERY => {
                known.untold += 1;
                None
            }
            Some(known) => {
                known.told_at = now;
                Some(std::mem::take(&mut known.untold))
            }
            None => {
                let told_at = now;
                kinds.insert(kind, Kind { told_at, untold: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kind_of_failure_is_told_once_a_minute_with_the_number_of_the_others() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.due("status", now), Some(0));
        assert_eq!(complaints.due("status", now), None);
        assert_eq!(complaints.due("status", now + EVERY / 2), None);
        assert_eq!(complaints.due("timed_out", now), Some(0));
        assert_eq!(complaints.due("status", now + EVERY), Some(2));
        assert_eq!(complaints.due("status", now + EVERY * 2), Some(0));
    }
}
