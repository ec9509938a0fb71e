//! What a callback becomes in the queue.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kefu_domain::Millis;
use kefu_queue::{Job, Lane};
use kefu_wecom::CallbackEvent;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::apps::App;
use crate::lanes::Lanes;

/// Kind of the job that pulls an account's messages.
pub const KF_SYNC: &str = "kf.sync";
/// Kind of the job that stores any other callback.
pub const APP_EVENT: &str = "app.event";

/// What stands for the kind of a plaintext that cannot be parsed.
const UNPARSED: &str = "unparsed";

/// Longest id of a user, in bytes; WeCom's have 64. What is longer stands in the plaintext alone: twice it would not fit
/// into a job.
const USER_BYTES_MAX: usize = 128;

/// An opened callback and the job that deals with it.
pub(crate) struct Event {
    /// WeCom's name for it, such as `event.click`; bounded, so it can be a metric label.
    pub(crate) kind: String,
    pub(crate) job: Job,
}

impl Event {
    /// Whatever opens is kept: a plaintext that cannot be parsed travels as it is.
    pub(crate) fn new(app: &App, lanes: &Lanes, plaintext: Vec<u8>, now: Millis) -> Event {
        match CallbackEvent::parse(&plaintext) {
            Ok(event) if event.is_kf_wake_up() => {
                let payload = json!({ "account": event.open_kfid(), "token": event.token() });
                let job = Job::new(KF_SYNC, &app.name, Lane::High, payload, now);
                Event {
                    kind: event.kind(),
                    job,
                }
            }
            Ok(event) => {
                let kind = event.kind();
                let user = event.from_user_name();
                let payload = json!({
                    "kind": kind,
                    "corp": app.corp_id,
                    "from_user": user.filter(|user| user.len() <= USER_BYTES_MAX),
                    "created_at_ms": event.create_time().map(|seconds| Millis::from_seconds(seconds).0),
                });
                let job = app_event(&app.name, lanes.of(&event), payload, plaintext, now);
                Event { kind, job }
            }
            Err(_) => {
                let payload = json!({ "kind": UNPARSED, "corp": app.corp_id });
                let job = app_event(&app.name, lanes.default_lane(), payload, plaintext, now);
                Event {
                    kind: UNPARSED.to_owned(),
                    job,
                }
            }
        }
    }
}

/// App events may come twice, so they carry the hash of their bytes; wake-ups are only ever merged.
fn app_event(app: &str, lane: Lane, mut payload: Value, plaintext: Vec<u8>, now: Millis) -> Job {
    let hash = hex(&Sha1::digest(&plaintext));
    match String::from_utf8(plaintext) {
        Ok(text) => payload["plaintext"] = Value::from(text),
        Err(error) => payload["plaintext_base64"] = Value::from(STANDARD.encode(error.as_bytes())),
    }
    let mut job = Job::new(APP_EVENT, app, lane, payload, now);
    job.dedup = Some(hash);
    job
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}
