//! What can be wrong with the ingress' settings, known without opening anything. The start asks the same.

use std::collections::BTreeMap;

use kefu_process::{http, telemetry, tls};
use kefu_queue::{Queue, QueueSettings, Roles};
use kefu_settings::{Problems, Settings, SettingsError};
use kefu_wecom::AppSettings;

use crate::IngressSettings;
use crate::apps::Apps;
use crate::lanes::Lanes;
use crate::path::CallbackPath;

/// Sections whose values are ids, secrets and addresses, without blanks or quotation marks.
const PLAIN: [&str; 2] = ["apps", "queue"];
/// What only the worker needs, and may be the only one to read.
const OF_THE_WORKER: [&str; 3] = ["secret", "agent_id", "accounts"];

/// Everything that is wrong with the settings the ingress reads, in a process with these roles.
pub fn problems(settings: &Settings, roles: Roles) -> Vec<SettingsError> {
    let settings = &own(settings);
    let mut problems = Problems::of(settings);
    problems.note_all(settings.mistakes().iter().cloned());
    problems.note_all(telemetry::problems(settings));
    if let Some(section) = problems.section::<IngressSettings>("ingress") {
        problems.note_all(section.problems());
        problems.add(CallbackPath::parse(&section.path));
        problems.add(Lanes::parse(&section.lanes));
        let mut addresses = vec![("ingress.listen", section.listen)];
        addresses.extend(section.ops_listen.map(|ops| ("ingress.ops_listen", ops)));
        problems.note_all(http::clashes(&addresses));
    }
    for section in PLAIN {
        problems.note_all(settings.quoted(section));
    }
    let apps: BTreeMap<String, AppSettings> = problems.entries("apps");
    for (name, app) in &apps {
        let table = format!("apps.{name}");
        let found = app.callback_problems();
        problems.note_all(found.into_iter().map(|error| error.within(&table)));
    }
    if !settings.has("apps") {
        problems.add(Apps::new(&BTreeMap::new()));
    }
    if let Some(queue) = problems.section::<QueueSettings>("queue") {
        problems.note_all(Queue::problems(&queue, roles));
        let tls = tls::client_config_if(queue.needs_tls());
        problems.add(tls.map_err(|error| SettingsError::new("queue.url", error.to_string())));
    }
    problems.finish()
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
    if let Ok(queue) = settings.section::<QueueSettings>("queue") {
        warnings.note_all(settings.odd_places(queue.places()));
    }
    warnings.finish()
}

pub(crate) fn own(settings: &Settings) -> Settings {
    settings.clone().without("apps", &OF_THE_WORKER)
}
