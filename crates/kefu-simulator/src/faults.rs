//! Faults on demand: what shall go wrong, where, and how often.

mod limit;

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::limit::Count;
use crate::ids::{Chance, number_of};
use crate::world::{Refusal, Twist};

/// Faults set at the same time.
const FAULTS_MAX: usize = 100;
/// Longest delay a fault may ask for.
const DELAY_MAX: Duration = Duration::from_secs(600);

/// Longest time over which a limit may count.
const LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a fault can be set on: the APIs, and two more.
pub const TARGETS: &[&str] = &[
    "gettoken",
    "kf/sync_msg",
    "kf/send_msg",
    "kf/send_msg_on_event",
    "kf/service_state/get",
    "kf/service_state/trans",
    "kf/account/list",
    "kf/servicer/list",
    "kf/customer/batchget",
    "media/upload",
    "media/get",
    "model",
    "callback",
];

/// One fault. With `times` it hits the next N calls and is gone; with `probability` it hits some, by `seed`;
/// with neither it hits all until it is cleared.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fault {
    /// One of [`TARGETS`].
    pub api: String,
    #[serde(flatten)]
    pub effect: Effect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    #[serde(default)]
    pub seed: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Refused with this `errcode`, without any effect.
    Error { code: i32, message: Option<String> },
    /// Refused with 45009 beyond so many calls; nothing has happened.
    Limit {
        calls: u32,
        /// Of the clock: a minute begins with its first second.
        #[serde(default = "minute", with = "humantime_serde")]
        every: Duration,
        /// Every call is refused for as long, from the first refusal on.
        #[serde(default)]
        blocks: bool,
    },
    /// Answered late.
    Delay {
        #[serde(with = "humantime_serde")]
        delay: Duration,
    },
    /// The effect happens (unless `applied` is false), then the connection is cut without an answer.
    Cut {
        #[serde(default = "applied")]
        applied: bool,
    },
    /// Answered with this HTTP status; `applied` says whether the effect happens first.
    Status {
        status: u16,
        #[serde(default)]
        applied: bool,
    },
    /// The effect happens, the answer is no JSON.
    InvalidJson,
    /// The access token is revoked before the call.
    RevokeToken,
    /// `kf/send_msg`: accepted, never visible, `msg_send_fail` follows.
    Undelivered { fail_type: i32 },
    /// `kf/sync_msg`: the page before comes again.
    RepeatPage,
    /// `kf/sync_msg`: the newest message comes first.
    SwapOrder,
    /// `kf/sync_msg`: the cursor does not move although there is more.
    RepeatCursor,
    /// `callback`: not sent at all.
    Drop,
    /// `callback`: sent twice.
    Duplicate,
}

fn applied() -> bool {
    true
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

/// Every field a fault may have; another one is a typing error that would change what is hit.
const FIELDS: &[&str] = &[
    "api",
    "kind",
    "times",
    "probability",
    "seed",
    "code",
    "message",
    "delay",
    "applied",
    "calls",
    "every",
    "blocks",
    "status",
    "fail_type",
];

impl Fault {
    /// Reads one fault; the error names what is wrong.
    pub fn parse(json: Value) -> Result<Fault, String> {
        let fields = json.as_object().ok_or("a fault is no object")?;
        if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(format!("field {unknown:?} is none of {}", FIELDS.join(", ")));
        }
        serde_json::from_value(json).map_err(|error| format!("fault: {error}"))
    }
}

impl Effect {
    /// Whether this can go wrong with that.
    fn fits(&self, api: &str) -> bool {
        match self {
            Effect::Drop | Effect::Duplicate => api == "callback",
            Effect::Delay { .. } => true,
            Effect::RepeatPage | Effect::SwapOrder | Effect::RepeatCursor => api == "kf/sync_msg",
            Effect::Undelivered { .. } => api == "kf/send_msg",
            Effect::Limit { .. } => !matches!(api, "callback" | "model"),
            Effect::RevokeToken => !matches!(api, "callback" | "model" | "gettoken"),
            Effect::Error { .. } | Effect::Cut { .. } | Effect::Status { .. } | Effect::InvalidJson => {
                api != "callback"
            }
        }
    }
}

/// All that is to go wrong with one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) error: Option<(i32, Option<String>)>,
    pub(crate) delay: Duration,
    /// Whether the effect happens before the cut.
    pub(crate) cut: Option<bool>,
    pub(crate) status: Option<(u16, bool)>,
    pub(crate) invalid_json: bool,
    pub(crate) revoke_token: bool,
    pub(crate) undelivered: Option<i32>,
    pub(crate) twist: Twist,
    pub(crate) drop: bool,
    pub(crate) duplicate: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    left: Option<u64>,
    chance: Chance,
    count: Count,
}

impl Active {
    /// Whether it hits this call.
    fn hits(&mut self, now: i64) -> bool {
        if let Effect::Limit { calls, every, blocks } = self.fault.effect {
            return self.count.refuses(calls, every, blocks, now);
        }
        self.fault.probability.is_none_or(|p| self.chance.hits(p))
    }
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) -> Result<(), String> {
        if !TARGETS.contains(&fault.api.as_str()) {
            return Err(format!("api {:?} is none of {}", fault.api, TARGETS.join(", ")));
        }
        if !fault.effect.fits(&fault.api) {
            return Err(format!("this kind of fault cannot be set on {}", fault.api));
        }
        if fault.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err("probability is not in 0 to 1".to_owned());
        }
        if matches!(fault.effect, Effect::Delay { delay } if DELAY_MAX < delay) {
            return Err(format!("delay is longer than {} s", DELAY_MAX.as_secs()));
        }
        if let Effect::Limit { every, .. } = fault.effect {
            if every.as_millis() == 0 || LIMIT_MAX < every {
                return Err(format!("every is not in 1 ms to {} s", LIMIT_MAX.as_secs()));
            }
            if fault.times.is_some() || fault.probability.is_some() {
                return Err("a limit has no times and no probability".to_owned());
            }
        }
        if matches!(fault.effect, Effect::Status { status, .. } if !(200..600).contains(&status)) {
            return Err("status is not in 200 to 599".to_owned());
        }
        if FAULTS_MAX <= self.active.len() {
            return Err(format!("there are {FAULTS_MAX} faults already; clear some"));
        }
        let chance = Chance::new(fault.seed ^ number_of(&fault.api));
        self.active.push(Active {
            left: fault.times,
            count: Count::default(),
            chance,
            fault,
        });
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// What is set now, with `times` as what is left.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.active
            .iter()
            .map(|active| Fault {
                times: active.left,
                ..active.fault.clone()
            })
            .collect()
    }

    /// What goes wrong with this call, at this Unix millisecond. Of several faults of one kind the first one set hits.
    pub(crate) fn draw(&mut self, api: &str, now: i64) -> Plan {
        let mut plan = Plan::default();
        let mut hit = HashSet::new();
        for active in self.active.iter_mut().filter(|active| active.fault.api == api) {
            let kind = std::mem::discriminant(&active.fault.effect);
            if hit.contains(&kind) || !active.hits(now) {
                continue;
            }
            hit.insert(kind);
            active.left = active.left.map(|left| left.saturating_sub(1));
            plan.add(&active.fault.effect);
        }
        self.active.retain(|active| active.left != Some(0));
        plan
    }
}

impl Plan {
    fn add(&mut self, effect: &Effect) {
        match effect {
            Effect::Error { code, message } => self.error = Some((*code, message.clone())),
            Effect::Limit { .. } => {
                let Refusal { code, message } = Refusal::frequency();
                self.error = Some((code, Some(message.into_owned())));
            }
            Effect::Delay { delay } => self.delay = *delay,
            Effect::Cut { applied } => self.cut = Some(*applied),
            Effect::Status { status, applied } => self.status = Some((*status, *applied)),
            Effect::InvalidJson => self.invalid_json = true,
            Effect::RevokeToken => self.revoke_token = true,
            Effect::Undelivered { fail_type } => self.undelivered = Some(*fail_type),
            Effect::RepeatPage => self.twist.repeat_page = true,
            Effect::SwapOrder => self.twist.swap_order = true,
            Effect::RepeatCursor => self.twist.repeat_cursor = true,
            Effect::Drop => self.drop = true,
            Effect::Duplicate => self.duplicate = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_fault_with_times_hits_so_often_and_is_gone() {
        let mut faults = Faults::default();
        faults
            .set(fault(
                r#"{"api":"kf/send_msg","kind":"error","code":-1,"times":2}"#,
            ))
            .unwrap();
        assert!(faults.draw("kf/sync_msg", 0).error.is_none());
        let hits = (0..5)
            .filter(|_| faults.draw("kf/send_msg", 0).error.is_some())
            .count();
        assert_eq!(hits, 2);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_probability_is_repeatable_by_its_seed() {
        let draw = || {
            let mut faults = Faults::default();
            faults
                .set(fault(
                    r#"{"api":"model","kind":"cut","probability":0.3,"seed":7}"#,
                ))
                .unwrap();
            (0..1_000)
                .map(|_| faults.draw("model", 0).cut.is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        let hits = draw().into_iter().filter(|hit| *hit).count();
        assert!((200..400).contains(&hits), "{hits} of 1000");
    }

    #[track_caller]
    fn check_refused(json: &str, named: &str) {
        let refused = Fault::parse(serde_json::from_str(json).unwrap())
            .and_then(|fault| Faults::default().set(fault))
            .unwrap_err();
        assert!(refused.contains(named), "{refused}");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        check_refused(r#"{"api":"kf/nothing","kind":"cut"}"#, "kf/nothing");
        check_refused(r#"{"api":"model","kind":"drop"}"#, "model");
        check_refused(r#"{"api":"model","kind":"cut","probability":2.0}"#, "probability");
        check_refused(r#"{"api":"model","kind":"cut","time":3}"#, "time");
        check_refused(r#"{"api":"model","kind":"explode"}"#, "explode");
        check_refused(r#"{"api":"model","kind":"delay","delay":"1day"}"#, "delay");
        check_refused(r#"{"api":"model","kind":"status","status":99}"#, "status");
        check_refused(
            r#"{"api":"kf/send_msg","kind":"limit","calls":1,"every":"0s"}"#,
            "every",
        );
        check_refused(
            r#"{"api":"kf/send_msg","kind":"limit","calls":1,"times":1}"#,
            "times",
        );
    }
}
