//! What is known of a dead letter: its story, and what its job stands on.

use std::borrow::Cow;

use kefu_domain::{Millis, RowRef};
use kefu_jobs::{DrainConversation, JobKind, SyncAccount};
use kefu_process::clock;
use kefu_queue::{Death, Delivery, InvalidEnvelope, Job, Lane, NotedError};
use kefu_store::{NewDeadLetter, StoreError};
use metrics::counter;
use sha1::{Digest, Sha1};
use tracing::error;

use crate::context::Context;
use crate::jobs::kind_label;

/// The job can never work as it is.
pub(crate) const PERMANENT: &str = "permanent";
/// A fault of our own after the last retry step.
pub(crate) const OUT_OF_ATTEMPTS: &str = "out_of_attempts";
/// A kind or version that no worker knew.
pub(crate) const UNKNOWN: &str = "unknown";
/// Bytes that are no envelope.
pub(crate) const UNREADABLE: &str = "unreadable";
/// Nobody gave a verdict on the job.
const CRASHED: &str = "crashed";

/// Every reason of a dead letter.
pub const REASONS: [&str; 5] = [PERMANENT, OUT_OF_ATTEMPTS, UNKNOWN, UNREADABLE, CRASHED];

/// Longest id that is kept as the key of a letter. Ours have 32 bytes.
const ID_BYTES_MAX: usize = 128;

/// What is written about a letter.
pub(crate) struct Story<'a> {
    id: String,
    /// `None` for bytes that are none of this version.
    job: Option<&'a Job>,
    lane: Option<Lane>,
    reason: &'a str,
    attempts: u32,
    first: Option<NotedError>,
    last: Option<NotedError>,
    died_at: Millis,
    raw: Cow<'a, [u8]>,
}

impl<'a> Story<'a> {
    /// Of what came out of the queue of dead letters.
    pub(crate) fn of(letter: &'a Delivery) -> Story<'a> {
        let job = letter.job.as_ref().ok();
        let death = letter.death.as_ref();
        let crashed = death.is_some_and(Death::is_delivery_limit);
        let died_at = death
            .and_then(|death| death.at)
            .unwrap_or(Millis(clock::now_ms()));
        let died_of = match crashed {
            true => Some("delivered too often: each time its worker died, or let go of it".to_owned()),
            false => death.and_then(|death| death.error.clone()),
        };
        let died_of = died_of.map(|text| NotedError { at: died_at, text });
        let errors = letter.errors();
        let last = if crashed { None } else { errors.last };
        Story {
            id: id(letter),
            job,
            lane: job
                .map(|job| job.lane)
                .or_else(|| death.and_then(|death| death.lane)),
            reason: match death {
                Some(_) if crashed => CRASHED,
                Some(death) => &death.reason,
                None => UNKNOWN,
            },
            attempts: letter.attempt(),
            first: errors.first.or_else(|| died_of.clone()),
            last: last.or(died_of),
            died_at,
            raw: Cow::Borrowed(&letter.body),
        }
    }

    /// Of what the database does not take as it is: its bytes, and why.
    pub(crate) fn bare(letter: &'a Delivery, refusal: &str) -> Story<'a> {
        let died_at = Millis(clock::now_ms());
        Story {
            id: raw_id(&letter.body),
            job: None,
            lane: None,
            reason: UNREADABLE,
            attempts: letter.attempt(),
            first: None,
            last: Some(NotedError {
                at: died_at,
                text: refusal.to_owned(),
            }),
            died_at,
            raw: Cow::Borrowed(&letter.body),
        }
    }

    /// Of a job that dies in its slot, before the queue has heard of it.
    pub(crate) fn of_job(job: &'a Job, reason: &'a str, error: &str) -> Story<'a> {
        let died_of = NotedError {
            at: Millis(clock::now_ms()),
            text: error.to_owned(),
        };
        Story {
            id: job.id.clone(),
            job: Some(job),
            lane: Some(job.lane),
            reason,
            attempts: job.attempt,
            first: job.errors().first.or_else(|| Some(died_of.clone())),
            died_at: died_of.at,
            last: Some(died_of),
            raw: Cow::Owned(job.encode()),
        }
    }

    pub(crate) fn letter(&self) -> NewDeadLetter<'_> {
        let (first, last) = (self.first.as_ref(), self.last.as_ref());
        NewDeadLetter {
            job_id: &self.id,
            replay: self.job.map_or(0, |job| job.replay),
            kind: self.job.map(|job| job.kind.as_str()),
            app: self.job.map(|job| job.app.as_str()),
            lane: self.lane.map(Lane::as_str),
            reason: self.reason,
            attempts: self.attempts,
            first_error: first.map(|error| error.text.as_str()),
            first_error_at: first.map(|error| error.at),
            last_error: last.map(|error| error.text.as_str()),
            error_at: Some(last.map_or(self.died_at, |error| error.at)),
            trace: self.job.and_then(|job| job.trace.as_deref()),
            raw: &self.raw,
        }
    }

    /// Once a letter, by whoever archived it.
    pub(crate) fn tell(&self) {
        let (id, reason) = (self.id.as_str(), self.reason);
        let kind = self.job.map_or("none", |job| job.kind.as_str());
        error!(job.id = id, job.kind = kind, reason, "job {id} is dead: {reason}");
        let kind = self.job.map_or("none", |job| kind_label(&job.kind));
        counter!("kefu_dead_letters_total", "kind" => kind, "reason" => reason_label(reason)).increment(1);
    }
}

/// A reason as label of a metric: whatever else stands in the queue is one.
fn reason_label(reason: &str) -> &'static str {
    REASONS
        .into_iter()
        .find(|known| *known == reason)
        .unwrap_or("other")
}

/// The row of a job whose truth is a row; `None` for other kinds, and for a pull of all accounts of an app.
///
/// A pull that names no corp was written by a version before: its app says it, or the row itself once the app has
/// another name.
pub(crate) async fn row_of(context: &Context, job: &Job) -> Result<Option<RowRef>, StoreError> {
    let asked = match job.kind.as_str() {
        DrainConversation::KIND => return Ok(DrainConversation::read(job).ok().map(DrainConversation::row)),
        SyncAccount::KIND => SyncAccount::read(job),
        _ => return Ok(None),
    };
    let Ok(asked) = asked else { return Ok(None) };
    let of_app = context.outbound.apps().get(&job.app).map(|app| app.corp.clone());
    let corp = match (&asked.corp, of_app, &asked.account) {
        (None, None, Some(account)) => {
            let rows = context.store.accounts_called(account).await?;
            rows.into_iter()
                .min_by_key(|row| row.app != job.app)
                .map(|row| row.corp)
        }
        (_, of_app, _) => of_app,
    };
    Ok(asked.row(corp.as_ref()))
}

/// Bytes without an id are known by their hash.
/// The job's own id; the hash of its bytes where there is none, or none that could be a key: an index takes no long one.
fn id(letter: &Delivery) -> String {
    let id = match &letter.job {
        Ok(Job { id, .. }) | Err(InvalidEnvelope::UnknownVersion { id: Some(id), .. }) => Some(id),
        Err(_) => None,
    };
    match id.filter(|id| id.len() <= ID_BYTES_MAX) {
        Some(id) => id.clone(),
        None => raw_id(&letter.body),
    }
}

fn raw_id(bytes: &[u8]) -> String {
    let hash: String = Sha1::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("raw-{hash}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(kind: &str, payload: Value) -> Job {
        Job::new(kind, "default", Lane::Low, payload, Millis(0))
    }

    #[test]
    fn a_job_that_dies_in_its_slot_tells_its_first_error_and_the_one_it_died_of() {
        let mut failed = job("kf.turn", json!({}));
        (failed.attempt, failed.replay) = (4, 1);
        let error = |at, text| json!({ "at_ms": at, "text": text });
        let errors = json!({ "first": error(1, "one"), "last": error(3, "three") });
        failed.extra.insert("errors".to_owned(), errors);
        let story = Story::of_job(&failed, OUT_OF_ATTEMPTS, "four");
        let letter = story.letter();
        assert_eq!((letter.job_id, letter.replay), (failed.id.as_str(), 1));
        assert_eq!((letter.attempts, letter.lane), (4, Some("low")));
        assert_eq!(
            (letter.first_error, letter.first_error_at),
            (Some("one"), Some(Millis(1)))
        );
        assert_eq!(letter.last_error, Some("four"));
        assert!(Some(Millis(3)) < letter.error_at);
        assert_eq!(Job::decode(letter.raw), Ok(failed.clone()));
        failed.extra.clear();
        let story = Story::of_job(&failed, OUT_OF_ATTEMPTS, "four");
        assert_eq!(story.letter().first_error, Some("four"));
    }

    #[test]
    fn a_reason_from_outside_is_one_label() {
        assert!(REASONS.iter().all(|reason| reason_label(reason) == *reason));
        assert_eq!(reason_label("made_up_1"), "other");
    }
}
