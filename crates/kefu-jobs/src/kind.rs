use std::time::Duration;

use kefu_domain::Millis;
use kefu_queue::{Job, Lane};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{DrainConversation, SayNotice, SayWelcome, StoreEvent, SyncAccount};

/// Longest time for the queue to take a job, for whoever has a row behind it.
pub const PUBLISH_WITHIN: Duration = Duration::from_secs(10);

/// The attempt of a job that stands in for another one.
const STAND_IN_ATTEMPT: u32 = 2;

/// The names of all kinds.
pub const KINDS: [&str; 5] = [
    StoreEvent::KIND,
    SayNotice::KIND,
    SyncAccount::KIND,
    DrainConversation::KIND,
    SayWelcome::KIND,
];

/// What a job of one kind carries.
pub trait JobKind: Serialize + DeserializeOwned {
    /// Its name in the envelope.
    const KIND: &'static str;
    /// Where it goes unless whoever publishes it says otherwise.
    const LANE: Lane;

    /// What the job is claimed by, for a kind without a row that guards it.
    fn dedup(&self) -> Option<String> {
        None
    }

    fn job(&self, app: &str, now: Millis) -> Job {
        let payload = serde_json::to_value(self).expect("text keys and plain values always encode");
        let mut job = Job::new(Self::KIND, app, Self::LANE, payload, now);
        job.dedup = self.dedup();
        job
    }

    fn read(job: &Job) -> Result<Self, InvalidPayload> {
        Self::deserialize(&job.payload).map_err(|_| InvalidPayload { kind: Self::KIND })
    }
}

/// A payload that no version could run. Never quotes it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("payload of {kind} does not read")]
pub struct InvalidPayload {
    kind: &'static str,
}

/// A job for a row that woke by itself: it stands in for one that was lost or parked, so its failure counts like that
/// one's. It is no fresh wake-up, of which only the first failure climbs the ladder: nobody else may climb.
pub fn stand_in(mut job: Job) -> Job {
    job.attempt = STAND_IN_ATTEMPT;
    job
}
