//! Opening what the worker needs. A service that refuses ends the process, one that does not answer is waited for.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_process::{ExitError, tls};
use kefu_queue::Queue;
use kefu_settings::{Settings, SettingsError};
use kefu_state::{State, StateSettings};
use kefu_store::{DatabaseSettings, Store, StoreError};
use kefu_wecom::{AppCredentials, Client, WecomSettings};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::apps::Apps;
use crate::context::Context;
use crate::gate::Gate;
use crate::model::Model;
use crate::replies::Replies;
use crate::tokens::StateTokens;
use crate::turns::Turns;
use crate::{AiSettings, ConversationSettings, WorkerSettings};

/// Longest time a setting may give one call: less than the time limits of the job around it.
const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Longest `worker.rate_pause`.
const RATE_PAUSE_MAX: Duration = kefu_state::PAUSE_MAX;
/// Longest `worker.breaker_wait`: it grows to twelve times as much.
const BREAKER_WAIT_MAX: Duration = Duration::from_secs(300);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LAST: Duration = Duration::from_secs(10);
/// An owed conversation wakes after 10 s: with a longer window its turn would come before the window's end.
const MERGE_WINDOW_MAX: Duration = Duration::from_secs(8);

/// The settings of the worker's parts, read and checked before anything is opened.
pub(crate) struct Parts {
    apps: Apps,
    credentials: Vec<AppCredentials>,
    wecom: WecomSettings,
    model: Option<Model>,
    history_max: u32,
    replies: Replies,
    conversation: ConversationSettings,
    rate_pause: Duration,
    poll_after: Duration,
    state: StateSettings,
    database: DatabaseSettings,
    tls: rustls::ClientConfig,
}

impl Parts {
    pub(crate) fn read(settings: &Settings) -> anyhow::Result<Parts> {
        let breaker_wait = breaker_wait(settings)?;
        let (apps, credentials) = Apps::new(&settings.entries("apps")?, breaker_wait)?;
        let wecom: WecomSettings = settings.section("wecom")?;
        let ai: AiSettings = settings.section("ai")?;
        let is_https = |url: &str| url.starts_with("https:");
        let needs_tls = is_https(&wecom.api_base) || ai.base_url.as_deref().is_some_and(is_https);
        let tls = tls::client_config_if(needs_tls)
            .map_err(|error| SettingsError::new("wecom.api_base", error.to_string()))?;
        check_timeout("wecom.timeout", wecom.timeout)?;
        check_timeout("ai.timeout", ai.timeout)?;
        // Only to learn whether the settings are good: the one that is used needs the state.
        Client::new(&wecom, credentials.clone(), tls.clone(), None)
            .map_err(|error| ExitError::refused_line(&error))?;
        let state: StateSettings = settings.section("state")?;
        state.check().map_err(|error| ExitError::refused_line(&error))?;
        let database: DatabaseSettings = settings.section("database")?;
        Store::check(&database).map_err(|error| ExitError::refused_for("database.url", &error))?;
        Ok(Parts {
            apps,
            credentials,
            replies: Replies::read(&settings.section("reply")?)?,
            conversation: conversation(settings)?,
            rate_pause: rate_pause(settings)?,
            poll_after: settings.section::<WorkerSettings>("worker")?.poll_after,
            state,
            database,
            model: Model::new(&ai, tls.clone(), breaker_wait)?,
            history_max: ai.history_max,
            tls,
            wecom,
        })
    }

    /// Opens the database (migrated to this version), the state and the clients.
    pub(crate) async fn connect(self, queue: Queue) -> anyhow::Result<Context> {
        let store = open_store(&self.database).await?;
        let state = State::open(&self.state)
            .await
            .map_err(|error| ExitError::refused_line(&error))?;
        let tokens = Arc::new(StateTokens(state.clone()));
        let wecom = Client::new(&self.wecom, self.credentials, self.tls, Some(tokens))
            .map_err(|error| ExitError::refused_line(&error))?;
        Ok(Context {
            turns: Turns::new(queue.clone(), self.conversation.merge_window),
            first_run_age: self.conversation.first_run_age,
            rate_pause: self.rate_pause,
            poll_after: self.poll_after,
            history_max: self.history_max,
            repeated_codes: wecom.repeated_codes().clone(),
            apps: self.apps,
            replies: self.replies,
            gate: Gate::open(),
            queue,
            store,
            state,
            wecom,
            model: self.model,
        })
    }
}

fn rate_pause(settings: &Settings) -> Result<Duration, SettingsError> {
    let WorkerSettings { rate_pause, .. } = settings.section("worker")?;
    match rate_pause.as_millis() == 0 || RATE_PAUSE_MAX < rate_pause {
        true => Err(SettingsError::new("worker.rate_pause", "must be 1ms to 1h")),
        false => Ok(rate_pause),
    }
}

fn breaker_wait(settings: &Settings) -> Result<Duration, SettingsError> {
    let WorkerSettings { breaker_wait, .. } = settings.section("worker")?;
    match breaker_wait.as_millis() == 0 || BREAKER_WAIT_MAX < breaker_wait {
        true => Err(SettingsError::new("worker.breaker_wait", "must be 1ms to 5m")),
        false => Ok(breaker_wait),
    }
}

fn check_timeout(key: &str, timeout: Duration) -> Result<(), SettingsError> {
    match timeout.is_zero() || CALL_TIMEOUT_MAX < timeout {
        true => Err(SettingsError::new(key, "must be longer than 0s and at most 60s")),
        false => Ok(()),
    }
}

fn conversation(settings: &Settings) -> Result<ConversationSettings, SettingsError> {
    let section: ConversationSettings = settings.section("conversation")?;
    if MERGE_WINDOW_MAX < section.merge_window {
        return Err(SettingsError::new(
            "conversation.merge_window",
            format!("is at most {MERGE_WINDOW_MAX:?}"),
        ));
    }
    Ok(section)
}

/// Opens and migrates, for as long as it takes the database to answer.
async fn open_store(settings: &DatabaseSettings) -> anyhow::Result<Store> {
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(RETRY_LAST)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        match open_and_migrate(settings).await {
            Ok(store) => return Ok(store),
            Err(error) if error.is_refusal() => {
                return Err(ExitError::refused_for("database.url", &error).into());
            }
            Err(error) if error.is_unavailable() || error.is_busy() => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "waiting for the database: {error}"
                );
            }
            Err(error) => return Err(error.into()),
        }
        sleep(waits.next().unwrap_or(RETRY_LAST)).await;
    }
}

async fn open_and_migrate(settings: &DatabaseSettings) -> Result<Store, StoreError> {
    let store = Store::open(settings).await?;
    let migrated = store.migrate().await?;
    if !migrated.applied.is_empty() {
        info!(
            database.schema = migrated.to,
            "migrated the database schema to version {}", migrated.to
        );
    }
    Ok(store)
}
