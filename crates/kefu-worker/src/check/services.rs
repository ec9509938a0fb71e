//! Queue, database and state: each for itself, and which of their engines go together.

use kefu_process::tls;
use kefu_queue::{Queue, QueueSettings, Roles};
use kefu_settings::{Problems, Settings, SettingsError, absolute};
use kefu_state::StateSettings;
use kefu_store::{DatabaseSettings, Store};
use secrecy::ExposeSecret;

use crate::WorkerSettings;

pub(super) fn problems(problems: &mut Problems<'_>, roles: Roles) {
    let state: Option<StateSettings> = problems.section("state");
    if let Some(state) = state {
        problems.note_all(state.problems());
        let is_tls = state.url.expose_secret().starts_with("rediss:");
        certificates(problems, is_tls, "state.url");
    }
    let database: Option<DatabaseSettings> = problems.section("database");
    let of_database = database.as_ref().map(Store::problems).unwrap_or_default();
    let queue: Option<QueueSettings> = problems.section("queue");
    let of_queue = queue
        .as_ref()
        .map(|queue| Queue::problems(queue, roles))
        .unwrap_or_default();
    certificates(
        problems,
        queue.as_ref().is_some_and(QueueSettings::needs_tls),
        "queue.url",
    );
    // Of what is no address it cannot be said with which others it goes.
    let is_clear = of_database.is_empty() && of_queue.is_empty();
    problems.note_all(of_database.into_iter().chain(of_queue));
    let worker: Option<WorkerSettings> = problems.section("worker");
    if let (true, Some(database), Some(queue), Some(worker)) = (is_clear, database, queue, worker) {
        problems.add(together(&queue, &database, worker.single));
        problems.add(apart(&queue, &database));
    }
}

pub(super) fn warnings(settings: &Settings) -> Vec<SettingsError> {
    let mut warnings = Problems::of(settings);
    let queue: Option<QueueSettings> = settings.section("queue").ok();
    let database: Option<DatabaseSettings> = settings.section("database").ok();
    let state: Option<StateSettings> = settings.section("state").ok();
    let worker: Option<WorkerSettings> = settings.section("worker").ok();
    if let (Some(queue), Some(state)) = (&queue, &state)
        && !queue.is_embedded()
        && state.url.expose_secret() == "memory:"
        && !worker.is_some_and(|worker| worker.single)
    {
        let problem = "is memory: beside a broker, so each worker gets access tokens and learns of rate limits for \
            itself, and a database restored from a backup has no second witness; set redis://";
        warnings.note(SettingsError::new("state.url", problem));
    }
    if let Some(queue) = &queue {
        // The spool is the ingress' own.
        let places = queue.places().into_iter();
        warnings.note_all(settings.odd_places(places.filter(|(key, _)| *key == "queue.url")));
    }
    warnings.note_all(database.as_ref().and_then(Store::warnings));
    if let Some(file) = database.as_ref().and_then(DatabaseSettings::file) {
        warnings.note_all(settings.odd_places([("database.url", file)]));
        if file.to_string_lossy().contains('?') {
            let problem =
                "has a question mark, which is part of the file's name: sqlite:PATH takes no options";
            warnings.note(SettingsError::new("database.url", problem));
        }
    }
    warnings.finish()
}

/// An error only where TLS is used.
fn certificates(problems: &mut Problems<'_>, is_needed: bool, key: &str) {
    let found = tls::client_config_if(is_needed);
    problems.add(found.map_err(|error| SettingsError::new(key, error.to_string())));
}

/// A queue that many share, and a database that only one process sees: each worker would answer from its own memory.
fn together(
    queue: &QueueSettings,
    database: &DatabaseSettings,
    is_single: bool,
) -> Result<(), SettingsError> {
    if queue.is_embedded() || database.file().is_none() || is_single {
        return Ok(());
    }
    let problem = "is a file of one process, while queue.url names a broker that several workers share: they would \
        lose messages and answer twice; set postgres:// (or DATABASE_URL), or worker.single = true if there is and \
        will be only one worker";
    Err(SettingsError::new("database.url", problem))
}

/// Queue and database each have a file of their own, with its lock and its tables.
fn apart(queue: &QueueSettings, database: &DatabaseSettings) -> Result<(), SettingsError> {
    let of_queue = queue.places().into_iter().find(|(key, _)| *key == "queue.url");
    match (of_queue, database.file()) {
        (Some((_, queue)), Some(database)) if absolute(queue) == absolute(database) => {
            let file = absolute(database);
            let problem = format!("is {}, the file of queue.url; name another one", file.display());
            Err(SettingsError::new("database.url", problem))
        }
        _ => Ok(()),
    }
}
