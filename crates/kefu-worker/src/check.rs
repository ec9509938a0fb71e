//! What can be wrong with the worker's settings, known without opening anything. The start asks the same.

mod services;

use std::collections::BTreeMap;
use std::time::Duration;

use kefu_domain::{TEXT_PART_BYTES_MAX, ThoughtMarks};
use kefu_model::{AiSettings, Model};
use kefu_outbound::Apps;
use kefu_process::telemetry;
use kefu_queue::{Lane, Roles};
use kefu_settings::{Problems, Settings, SettingsError};
use kefu_wecom::{AppSettings, Client, WecomSettings};
use secrecy::ExposeSecret;

use crate::replies::{Replies, one_part};
use crate::row::model_timeout_max;
use crate::{ConversationSettings, ReplySettings, Slots, WorkerSettings};

/// Longest `worker.rate_pause`.
const RATE_PAUSE_MAX: Duration = kefu_state::PAUSE_MAX;
/// Longest `worker.breaker_wait`: it grows to twelve times as much.
const BREAKER_WAIT_MAX: Duration = Duration::from_secs(300);
/// An owed conversation wakes after 10 s: with a longer window its turn would come before the window's end.
const MERGE_WINDOW_MAX: Duration = Duration::from_secs(8);

/// More slots than this in one lane is a mistake: each is a channel of the broker.
const SLOTS_MAX: usize = 1000;
/// Sections whose values are ids, secrets and addresses, without blanks or quotation marks.
const PLAIN: [&str; 6] = ["apps", "ai", "wecom", "queue", "state", "database"];
/// Only what callbacks are opened with, which a worker never does and may not be allowed to read.
const OF_THE_INGRESS: [&str; 4] = ["token", "encoding_aes_key", "receive_ids", "previous"];

/// Everything that is wrong with the settings the worker reads, in a process with these roles.
pub fn problems(settings: &Settings, roles: Roles) -> Vec<SettingsError> {
    let settings = &own(settings);
    let mut problems = Problems::of(settings);
    problems.note_all(settings.mistakes().iter().cloned());
    problems.note_all(telemetry::problems(settings));
    if let Some(section) = problems.section::<WorkerSettings>("worker") {
        problems.note_all(slots(&section.slots));
        problems.add(rate_pause(settings));
        problems.add(breaker_wait(settings));
    }
    apps(&mut problems, settings);
    outside(&mut problems, settings);
    services::problems(&mut problems, roles);
    if let Some(section) = problems.section::<ReplySettings>("reply") {
        problems.add(Replies::read(&section));
        problems.add(one_part("reply.welcome", &section.welcome));
    }
    if problems.section::<ConversationSettings>("conversation").is_some() {
        problems.add(conversation(settings));
    }
    problems.finish()
}

/// WeCom and the model.
fn outside(problems: &mut Problems<'_>, settings: &Settings) {
    let ai: Option<AiSettings> = problems.section("ai");
    let wecom: Option<WecomSettings> = problems.section("wecom");
    if let Some(wecom) = &wecom {
        problems.note_all(wecom.problems());
    }
    if let Some(ai) = &ai {
        problems.add(check_timeout("ai.timeout", ai.timeout, model_timeout_max()));
        problems.add(has_address(ai));
        problems.add(thoughts(ai));
    }
    for section in PLAIN {
        problems.note_all(settings.quoted(section));
    }
    if let (Some(wecom), Some(ai)) = (&wecom, &ai)
        && let Some(tls) = problems.add(tls(wecom, ai))
    {
        problems.add(Client::new(wecom, [], tls.clone(), None));
        problems.add(Model::new(ai, tls, BREAKER_WAIT_MAX));
    }
}

/// What may be right and is probably not.
pub fn warnings(settings: &Settings) -> Vec<SettingsError> {
    let settings = &own(settings);
    let mut warnings = Problems::of(settings);
    for section in PLAIN {
        warnings.note_all(settings.padded(section));
    }
    for (name, app) in settings.entries::<AppSettings>("apps").unwrap_or_default() {
        warnings.note_all(app.odd_corp_id(&name));
    }
    let ai = settings
        .section::<AiSettings>("ai")
        .ok()
        .and_then(|ai| ai.base_url);
    if ai.as_deref().is_some_and(has_no_version) {
        let problem = "has no path; most servers want a version such as /v1 behind the host";
        warnings.note(SettingsError::new("ai.base_url", problem));
    }
    if let Ok(reply) = settings.section::<ReplySettings>("reply") {
        warnings.note_all(
            Replies::read(&reply)
                .map(|replies| replies.warnings())
                .unwrap_or_default(),
        );
        warnings.note_all(one_part("reply.fallback", &reply.fallback).err().map(|_| {
            let problem = format!(
                "is longer than the {TEXT_PART_BYTES_MAX} bytes of one message, and is sent as several"
            );
            SettingsError::new("reply.fallback", problem)
        }));
    }
    if let Ok(wecom) = settings.section::<WecomSettings>("wecom") {
        warnings.note_all(wecom.warnings());
    }
    warnings.note_all(services::warnings(settings));
    warnings.finish()
}

/// Without what only the ingress needs.
pub(crate) fn own(settings: &Settings) -> Settings {
    settings.clone().without("apps", &OF_THE_INGRESS)
}

fn apps(problems: &mut Problems<'_>, settings: &Settings) {
    let apps: BTreeMap<String, AppSettings> = problems.entries("apps");
    for (name, app) in apps {
        problems.add(Apps::new(&BTreeMap::from([(name, app)]), BREAKER_WAIT_MAX));
    }
    if !settings.has("apps") {
        problems.add(Apps::new(&BTreeMap::new(), BREAKER_WAIT_MAX));
    }
}

fn slots(slots: &Slots) -> Vec<SettingsError> {
    let wrong = Lane::ALL
        .into_iter()
        .filter(|lane| !(1..=SLOTS_MAX).contains(&slots.of(*lane)));
    wrong
        .map(|lane| {
            let problem = format!("must be 1 to {SLOTS_MAX}; a lane without a slot starves");
            SettingsError::new(format!("worker.slots.{lane}"), problem)
        })
        .collect()
}

/// A model without an address would never be asked, and nobody would hear of it.
fn has_address(ai: &AiSettings) -> Result<(), SettingsError> {
    let is_set = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    let key = ai.api_key.as_ref().map(|key| key.expose_secret());
    match is_set(ai.base_url.as_deref()) || !(is_set(ai.model.as_deref()) || is_set(key)) {
        true => Ok(()),
        false => {
            let problem = "is missing, so the model that ai.model or ai.api_key names is never asked";
            Err(SettingsError::new("ai.base_url", problem))
        }
    }
}

fn has_no_version(base: &str) -> bool {
    let after_host = base.split_once("://").map_or(base, |(_, rest)| rest);
    after_host.trim_end_matches('/').find('/').is_none()
}

pub(crate) fn thoughts(ai: &AiSettings) -> Result<ThoughtMarks, SettingsError> {
    ThoughtMarks::parse(&ai.thought_marks)
        .map_err(|error| SettingsError::new("ai.thought_marks", error.to_string()))
}

/// CA certificates are an error only where TLS is used.
pub(crate) fn tls(wecom: &WecomSettings, ai: &AiSettings) -> Result<rustls::ClientConfig, SettingsError> {
    let is_https = |url: &str| url.starts_with("https:");
    let needs_tls = is_https(&wecom.api_base) || ai.base_url.as_deref().is_some_and(is_https);
    kefu_process::tls::client_config_if(needs_tls)
        .map_err(|error| SettingsError::new("wecom.api_base", error.to_string()))
}

pub(crate) fn rate_pause(settings: &Settings) -> Result<Duration, SettingsError> {
    let WorkerSettings { rate_pause, .. } = settings.section("worker")?;
    match rate_pause.as_millis() == 0 || RATE_PAUSE_MAX < rate_pause {
        true => Err(SettingsError::new("worker.rate_pause", "must be 1ms to 1h")),
        false => Ok(rate_pause),
    }
}

pub(crate) fn breaker_wait(settings: &Settings) -> Result<Duration, SettingsError> {
    let WorkerSettings { breaker_wait, .. } = settings.section("worker")?;
    match breaker_wait.as_millis() == 0 || BREAKER_WAIT_MAX < breaker_wait {
        true => Err(SettingsError::new("worker.breaker_wait", "must be 1ms to 5m")),
        false => Ok(breaker_wait),
    }
}

fn check_timeout(key: &str, timeout: Duration, longest: Duration) -> Result<(), SettingsError> {
    let problem = || format!("must be longer than 0s and at most {}s", longest.as_secs());
    match timeout.is_zero() || longest < timeout {
        true => Err(SettingsError::new(key, problem())),
        false => Ok(()),
    }
}

pub(crate) fn conversation(settings: &Settings) -> Result<ConversationSettings, SettingsError> {
    let section: ConversationSettings = settings.section("conversation")?;
    if MERGE_WINDOW_MAX < section.merge_window {
        return Err(SettingsError::new(
            "conversation.merge_window",
            format!("is at most {MERGE_WINDOW_MAX:?}"),
        ));
    }
    Ok(section)
}
