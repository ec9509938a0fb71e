//! What a callback becomes in the queue.

use kefu_domain::{AccountId, Millis};
use kefu_jobs::{JobKind, StoreEvent, SyncAccount};
use kefu_queue::{Job, Lane};
use kefu_wecom::CallbackEvent;

use crate::apps::App;
use crate::lanes::Lanes;

/// What stands for the kind of a plaintext that cannot be parsed.
pub(crate) const UNPARSED: &str = "unparsed";

/// Longest id of a user, in bytes; WeCom's have 64. What is longer stands in the plaintext alone: twice it would not fit
/// into a job.
const USER_BYTES_MAX: usize = 128;

/// An opened callback and the job that deals with it.
pub(crate) struct Event {
    /// WeCom's name for it, such as `event.click`; bounded.
    pub(crate) kind: String,
    pub(crate) job: Job,
}

impl Event {
    /// Whatever opens is kept: a plaintext that cannot be parsed travels as it is.
    pub(crate) fn new(app: &App, lanes: &Lanes, plaintext: Vec<u8>, now: Millis) -> Event {
        match CallbackEvent::parse(&plaintext) {
            Ok(event) if event.is_kf_wake_up() => {
                let pull = SyncAccount {
                    corp: Some(app.corp.clone()),
                    // What is no id stands for nobody's account: all of the app are looked at.
                    account: event.open_kfid().and_then(|id| AccountId::parse(id).ok()),
                    token: event.token().map(str::to_owned),
                    late: None,
                };
                Event {
                    kind: event.kind(),
                    job: pull.job(&app.name, now),
                }
            }
            Ok(event) => {
                let kind = event.kind();
                // WeCom's are short; a longer one stands in the plaintext.
                let user = event.from_user_name().filter(|user| user.len() <= USER_BYTES_MAX);
                let created_at = event.create_time().map(Millis::from_seconds);
                let corp = app.corp.clone();
                let stored =
                    StoreEvent::new(kind.clone(), corp, user.map(str::to_owned), created_at, plaintext);
                let job = in_lane(stored.job(&app.name, now), lanes.of(&event));
                Event { kind, job }
            }
            Err(_) => {
                let kind = UNPARSED.to_owned();
                let stored = StoreEvent::new(kind.clone(), app.corp.clone(), None, None, plaintext);
                let job = in_lane(stored.job(&app.name, now), lanes.default_lane());
                Event { kind, job }
            }
        }
    }
}

fn in_lane(job: Job, lane: Lane) -> Job {
    Job { lane, ..job }
}
