use std::fmt;

use kefu_domain::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::Lane;
use crate::story::Errors;

/// The version this code writes and reads.
pub const ENVELOPE_VERSION: u32 = 1;

/// Largest encoded job, in bytes. RabbitMQ 4 refuses 16 MiB; media travel by reference.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest id and kind, in bytes: both are repeated in AMQP short strings (at most 255).
const NAME_BYTES_MAX: usize = 128;

/// One unit of work: the envelope, as it lies in the queue, and its payload.
///
/// Fields this version does not know are kept in `extra` and written back.
/// `Debug` leaves the payload out: it can hold what a customer wrote.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub v: u32,
    pub id: String,
    pub kind: String,
    pub app: String,
    #[serde(with = "lane")]
    pub lane: Lane,
    /// What the job is claimed by, for kinds without a row that guards them.
    #[serde(default)]
    pub dedup: Option<String>,
    #[serde(rename = "received_at_ms", with = "millis")]
    pub received_at: Millis,
    /// The execution this copy stands for, from 1.
    pub attempt: u32,
    /// How often an operator or the archiver put it back after its death.
    #[serde(default)]
    pub replay: u32,
    /// W3C `traceparent` of whoever published it.
    #[serde(default)]
    pub trace: Option<String>,
    #[serde(default)]
    pub payload: Value,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Why a body is no job of this version. Never quotes the body.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidEnvelope {
    /// Nobody will ever read it: dead at once.
    #[error("no envelope: {reason}")]
    NotAnEnvelope { reason: String },
    /// A newer worker may read it: it climbs the ladder, and `attempt` counts the climb.
    #[error("envelope version {v} is unknown")]
    UnknownVersion {
        v: u64,
        id: Option<String>,
        kind: Option<String>,
        attempt: u32,
    },
}

impl Job {
    /// A job that was never tried, with a random 128-bit id in hexadecimal.
    pub fn new(kind: &str, app: &str, lane: Lane, payload: Value, now: Millis) -> Job {
        Job {
            v: ENVELOPE_VERSION,
            id: format!("{:032x}", rand::random::<u128>()),
            kind: kind.to_owned(),
            app: app.to_owned(),
            lane,
            dedup: None,
            received_at: now,
            attempt: 1,
            replay: 0,
            trace: None,
            payload,
            extra: Map::new(),
        }
    }

    /// The same job once more after its death: a fresh one that has never failed, known by its `replay`.
    pub fn replayed(&self, replay: u32) -> Job {
        let mut job = Job {
            attempt: 1,
            replay,
            ..self.clone()
        };
        Errors::forget(&mut job.extra);
        job
    }

    /// The first and the last error of its executions so far.
    pub fn errors(&self) -> Errors {
        Errors::of(&self.extra)
    }

    /// The envelope as JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text keys and plain values always encode")
    }

    pub fn decode(body: &[u8]) -> Result<Job, InvalidEnvelope> {
        let value: Value = serde_json::from_slice(body).map_err(|error| not_an_envelope(&error))?;
        let v = value.get("v").and_then(Value::as_u64);
        let Some(v) = v else {
            return Err(InvalidEnvelope::NotAnEnvelope {
                reason: "no version `v`".to_owned(),
            });
        };
        if v != u64::from(ENVELOPE_VERSION) {
            let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
            let attempt = value.get("attempt").and_then(Value::as_u64).unwrap_or(1);
            let attempt = u32::try_from(attempt).unwrap_or(u32::MAX).max(1);
            return Err(InvalidEnvelope::UnknownVersion {
                v,
                id: text("id"),
                kind: text("kind"),
                attempt,
            });
        }
        let mut job: Job = serde_json::from_value(value).map_err(|error| not_an_envelope(&error))?;
        job.attempt = job.attempt.max(1);
        for (name, text) in [("id", &job.id), ("kind", &job.kind)] {
            if text.is_empty() || NAME_BYTES_MAX < text.len() {
                let reason = format!("`{name}` must be 1 to {NAME_BYTES_MAX} bytes, got {}", text.len());
                return Err(InvalidEnvelope::NotAnEnvelope { reason });
            }
        }
        Ok(job)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("app", &self.app)
            .field("lane", &self.lane)
            .field("attempt", &self.attempt)
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}

/// serde_json's own text can quote a value of the body: only what kind of error and where is kept.
fn not_an_envelope(error: &serde_json::Error) -> InvalidEnvelope {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io => "unreadable",
        Category::Syntax => "not JSON",
        Category::Data => "a field is missing or of another type",
        Category::Eof => "JSON that ends too early",
    };
    InvalidEnvelope::NotAnEnvelope {
        reason: what.to_owned(),
    }
}

mod lane {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::Lane;

    pub(super) fn serialize<S: Serializer>(lane: &Lane, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(lane.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lane, D::Error> {
        let raw = String::deserialize(deserializer)?;
        Lane::parse(&raw).ok_or_else(|| de::Error::custom("unknown lane"))
    }
}

mod millis {
    use kefu_domain::Millis;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        i64::deserialize(deserializer).map(Millis)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job() -> Job {
        Job::new(
            "kf.sync",
            "default",
            Lane::High,
            json!({"account": "wk1"}),
            Millis(1_700_000_000_000),
        )
    }

    #[test]
    fn reads_back_what_it_wrote_and_keeps_unknown_fields() {
        let mut job = job();
        job.extra.insert("tenant".to_owned(), json!({"id": 7}));
        assert_eq!(Job::decode(&job.encode()), Ok(job));
    }

    #[test]
    fn a_number_larger_than_any_counter_reads_back_as_it_was_written() {
        let body = br#"{"v":1,"id":"a","kind":"k","app":"x","lane":"low","received_at_ms":0,"attempt":0,
            "payload":184467440473709551615}"#;
        let job = Job::decode(body).unwrap();
        assert_eq!(job.attempt, 1);
        assert_eq!(Job::decode(&job.encode()), Ok(job));
    }

    #[test]
    fn the_envelope_on_the_wire_has_the_documented_keys() {
        let value: Value = serde_json::from_slice(&job().encode()).unwrap();
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let documented = [
            "app",
            "attempt",
            "dedup",
            "id",
            "kind",
            "lane",
            "payload",
            "received_at_ms",
            "replay",
            "trace",
            "v",
        ];
        assert_eq!(keys, documented);
    }

    #[test]
    fn a_replay_is_fresh_but_keeps_its_id_and_what_it_does_not_know() {
        let mut failed = job();
        failed.attempt = 6;
        let errors = json!({"first": {"at_ms": 1, "text": "a"}, "last": {"at_ms": 2, "text": "b"}});
        failed.extra.insert("errors".to_owned(), errors);
        failed.extra.insert("tenant".to_owned(), json!(7));
        assert_eq!(failed.errors().last.unwrap().text, "b");
        let again = failed.replayed(1);
        assert_eq!((again.attempt, again.replay, &again.id), (1, 1, &failed.id));
        assert_eq!((again.errors().first, again.extra.len()), (None, 1));
    }

    #[test]
    fn ids_are_32_hexadecimal_digits_and_differ() {
        let (one, two) = (job().id, job().id);
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }

    #[test]
    fn an_unknown_version_is_told_apart_from_garbage() {
        let newer = br#"{"v":2,"id":"a","attempt":3,"shape":[1]}"#;
        let expected = InvalidEnvelope::UnknownVersion {
            v: 2,
            id: Some("a".to_owned()),
            kind: None,
            attempt: 3,
        };
        assert_eq!(Job::decode(newer), Err(expected));
        for garbage in [
            &b"\xff\x00"[..],
            b"",
            b"[]",
            b"{}",
            br#"{"v":"1"}"#,
            br#"{"v":1}"#,
        ] {
            assert!(matches!(
                Job::decode(garbage),
                Err(InvalidEnvelope::NotAnEnvelope { .. })
            ));
        }
    }

    #[test]
    fn neither_debug_nor_errors_show_what_a_body_holds() {
        let mut job = job();
        job.payload = json!("secret words");
        assert!(!format!("{job:?}").contains("secret"));
        let wrong =
            br#"{"v":1,"id":"a","kind":"k","app":"x","lane":"secret","received_at_ms":0,"attempt":1}"#;
        let error = Job::decode(wrong).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
