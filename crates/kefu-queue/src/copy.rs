use kefu_domain::Millis;
use serde_json::Value;

use crate::story::{Errors, NotedError};
use crate::{InvalidEnvelope, Job};

/// What is published for a job: its body, and what the message's properties repeat of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copy {
    pub body: Vec<u8>,
    pub attempt: u32,
    pub id: Option<String>,
    pub kind: Option<String>,
    pub trace: Option<String>,
    pub received_at: Option<Millis>,
    /// Why the copy waits, for people who look into the queue.
    pub note: Option<String>,
}

pub(crate) fn of_job(job: &Job, body: Vec<u8>) -> Copy {
    Copy {
        body,
        attempt: job.attempt,
        id: Some(job.id.clone()),
        kind: Some(job.kind.clone()),
        trace: job.trace.clone(),
        received_at: Some(job.received_at),
        note: None,
    }
}

/// The same bytes, and the attempt as it was.
pub(crate) fn of_same_attempt(body: &[u8], job: &Result<Job, InvalidEnvelope>, attempt: u32) -> Copy {
    match job {
        Ok(job) => of_job(job, body.to_vec()),
        Err(InvalidEnvelope::UnknownVersion { id, kind, .. }) => Copy {
            body: body.to_vec(),
            attempt,
            id: id.clone(),
            kind: kind.clone(),
            ..Copy::default()
        },
        Err(InvalidEnvelope::NotAnEnvelope { .. }) => Copy {
            body: body.to_vec(),
            attempt,
            ..Copy::default()
        },
    }
}

/// The attempt counted up and the error noted: in the envelope where it has an attempt, else beside the bytes only.
pub(crate) fn of_next_attempt(
    body: &[u8],
    job: &Result<Job, InvalidEnvelope>,
    attempt: u32,
    error: NotedError,
) -> Copy {
    with_error(body, job, attempt.saturating_add(1), error)
}

/// The attempt as it was, the error noted: for what dies.
pub(crate) fn of_last_attempt(
    body: &[u8],
    job: &Result<Job, InvalidEnvelope>,
    attempt: u32,
    error: NotedError,
) -> Copy {
    with_error(body, job, attempt, error)
}

fn with_error(body: &[u8], job: &Result<Job, InvalidEnvelope>, attempt: u32, error: NotedError) -> Copy {
    let copy = of_same_attempt(body, job, attempt);
    let body = match job {
        Ok(job) => {
            let mut job = Job {
                attempt,
                ..job.clone()
            };
            Errors::note(&mut job.extra, error);
            Some(job.encode())
        }
        Err(InvalidEnvelope::UnknownVersion { .. }) => noted(body, attempt, error),
        Err(InvalidEnvelope::NotAnEnvelope { .. }) => None,
    };
    Copy {
        body: body.unwrap_or(copy.body),
        ..copy
    }
}

/// The text, cut at a character boundary.
pub(crate) fn shorten(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

/// An envelope of another version, where it counts its attempts as ours does.
fn noted(body: &[u8], attempt: u32, error: NotedError) -> Option<Vec<u8>> {
    let mut envelope: Value = serde_json::from_slice(body).ok()?;
    let envelope = envelope.as_object_mut()?;
    let field = envelope.get_mut("attempt").filter(|field| field.is_u64())?;
    *field = Value::from(attempt);
    Errors::note(envelope, error);
    serde_json::to_vec(envelope).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, attempt: u32, expected: &str) {
        let job = Job::decode(body.as_bytes());
        let error = NotedError {
            at: Millis(7),
            text: "no".to_owned(),
        };
        let copy = of_next_attempt(body.as_bytes(), &job, attempt, error);
        assert_eq!(
            (String::from_utf8(copy.body).unwrap().as_str(), copy.attempt),
            (expected, attempt + 1)
        );
    }

    #[test]
    fn an_unknown_version_counts_in_its_own_field_where_it_has_one() {
        let errors = r#"{"first":{"at_ms":7,"text":"no"},"last":{"at_ms":7,"text":"no"}}"#;
        let next = format!(r#"{{"attempt":3,"errors":{errors},"v":9,"x":1}}"#);
        check(r#"{"attempt":2,"v":9,"x":1}"#, 2, &next);
        check(r#"{"v":9,"attempt":"two"}"#, 4, r#"{"v":9,"attempt":"two"}"#);
        check("not json", 1, "not json");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shorten("客服", 4), "客");
        assert_eq!(shorten("ok", 4), "ok");
    }
}
