//! What went wrong with questions, in the log once a minute for each kind of failure, with a count of the others.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kefu_process::{Seldom, clock};
use tracing::{error, warn};

use super::ModelError;

/// Between two lines of one kind.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<Kind, Seldom>>);

/// What failed, and whether it may pass by itself.
type Kind = (&'static str, bool);

impl Complaints {
    /// A failure that a person has to mend is an error, one that may pass a warning.
    pub(super) fn log(&self, failure: &ModelError, address: &str) {
        let kind = (failure.word(), failure.is_transient());
        let Some(untold) = self.due(kind, clock::now_ms()) else {
            return;
        };
        let more = match untold {
            0 => String::new(),
            untold => format!(" ({untold} more like it since the last such line)"),
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
    fn due(&self, kind: Kind, now_ms: i64) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = kinds.entry(kind).or_insert_with(|| Seldom::every(EVERY));
        lines.line(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_failure_is_told_once_a_minute_with_the_number_of_the_others() {
        let complaints = Complaints::default();
        let busy = ("status", true);
        assert_eq!(complaints.due(busy, 1_000), Some(0));
        assert_eq!(complaints.due(busy, 1_000), None);
        assert_eq!(complaints.due(busy, 31_000), None);
        assert_eq!(complaints.due(("timed_out", true), 1_000), Some(0));
        let refused_key = ("status", false);
        assert_eq!(
            complaints.due(refused_key, 1_000),
            Some(0),
            "an error is not hidden by warnings"
        );
        assert_eq!(complaints.due(busy, 61_000), Some(2));
        assert_eq!(complaints.due(busy, 121_000), Some(0));
    }
}
