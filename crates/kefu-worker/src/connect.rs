//! Opening what the worker needs. A service that refuses ends the process, one that does not answer is waited for.

use std::fs::{File, OpenOptions, TryLockError, create_dir_all};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kefu_domain::ThoughtMarks;
use kefu_model::{AiSettings, Model};
use kefu_outbound::{Apps, Outbound, RateRule, StateTokens};
use kefu_queue::{Queue, QueueSettings};
use kefu_settings::{Settings, SettingsError, Unusable, absolute, tighten};
use kefu_state::{State, StateSettings};
use kefu_store::{DatabaseSettings, Store, StoreError};
use kefu_wecom::{AppCredentials, Client, WecomSettings};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::check::{breaker_wait, conversation, rate_pause, thoughts, tls};
use crate::context::Context;
use crate::gate::Gate;
use crate::page_size::PageSizes;
use crate::replies::Replies;
use crate::row::job_limit;
use crate::turns::Turns;
use crate::{ConversationSettings, WorkerSettings};

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LAST: Duration = Duration::from_secs(10);

/// The settings of the worker's parts, read and checked before anything is opened.
pub(crate) struct Parts {
    apps: Apps,
    credentials: Vec<AppCredentials>,
    wecom: WecomSettings,
    model: Option<Model>,
    history_max: u32,
    prompt_tokens_max: usize,
    job_limit: Duration,
    thoughts: ThoughtMarks,
    replies: Replies,
    conversation: ConversationSettings,
    rate: RateRule,
    poll_after: Duration,
    state: StateSettings,
    database: DatabaseSettings,
    tls: rustls::ClientConfig,
    /// Whose it is is not known to a broker: nothing else keeps a second worker off this file.
    single_file: Option<PathBuf>,
    /// To tell where a value stands that a service refuses.
    settings: Settings,
}

impl Parts {
    pub(crate) fn read(settings: &Settings) -> anyhow::Result<Parts> {
        let breaker_wait = breaker_wait(settings)?;
        let (apps, credentials) = Apps::new(&settings.entries("apps")?, breaker_wait)?;
        let wecom: WecomSettings = settings.section("wecom")?;
        let ai: AiSettings = settings.section("ai")?;
        let tls = tls(&wecom, &ai)?;
        Ok(Parts {
            apps,
            credentials,
            replies: Replies::read(&settings.section("reply")?)?,
            conversation: conversation(settings)?,
            rate: RateRule {
                pause: rate_pause(settings)?,
                calls_per_minute: wecom.calls_per_minute,
            },
            poll_after: settings.section::<WorkerSettings>("worker")?.poll_after,
            state: settings.section("state")?,
            database: settings.section("database")?,
            model: Model::new(&ai, tls.clone(), breaker_wait)?,
            history_max: ai.history_max,
            prompt_tokens_max: ai.prompt_tokens_max,
            job_limit: job_limit(ai.timeout),
            thoughts: thoughts(&ai)?,
            single_file: single_file(settings)?,
            settings: settings.clone(),
            tls,
            wecom,
        })
    }

    /// Opens the database (migrated to this version), the state and the clients.
    pub(crate) async fn connect(self, queue: Queue) -> anyhow::Result<Context> {
        let lock = self.single_file.as_deref().map(take_alone).transpose();
        let lock = lock.map_err(|error| self.settings.placed(error))?;
        let store = open_store(&self.database, &self.settings).await?;
        let state = State::open(&self.state)
            .await
            .map_err(|error| match error.refusal() {
                Some(refusal) => anyhow::Error::new(self.settings.placed(refusal.clone())),
                None => error.into(),
            })?;
        let tokens = Arc::new(StateTokens(state.clone()));
        let wecom = Client::new(&self.wecom, self.credentials, self.tls, Some(tokens))?;
        Ok(Context {
            turns: Turns::new(queue.clone(), self.conversation.merge_window),
            first_run_age: self.conversation.first_run_age,
            poll_after: self.poll_after,
            history_max: self.history_max,
            prompt_tokens_max: self.prompt_tokens_max,
            job_limit: self.job_limit,
            thoughts: self.thoughts,
            repeated_codes: wecom.repeated_codes().clone(),
            outbound: Outbound::new(wecom, self.apps, state.clone(), self.rate),
            replies: self.replies,
            gate: Gate::open(),
            page_sizes: PageSizes::default(),
            _single: lock,
            queue,
            store,
            state,
            model: self.model,
        })
    }
}

/// The database file, where it is beside a broker.
fn single_file(settings: &Settings) -> Result<Option<PathBuf>, SettingsError> {
    let (queue, database): (QueueSettings, DatabaseSettings) =
        (settings.section("queue")?, settings.section("database")?);
    let file = database.file().filter(|_| !queue.is_embedded());
    Ok(file.map(absolute))
}

/// Locks the file for this worker; the kernel lets go at any end of the process.
fn take_alone(file: &Path) -> Result<File, SettingsError> {
    let refuse = |problem: String| SettingsError::new("database.url", problem);
    let mut beside = file.as_os_str().to_owned();
    beside.push(".worker.lock");
    let beside = PathBuf::from(beside);
    let unusable = |act, error| refuse(Unusable::new(act, &beside, error).to_string());
    if let Some(folder) = beside.parent() {
        create_dir_all(folder).map_err(|error| unusable("create", error))?;
    }
    for readable in tighten(&beside, &[]) {
        warn!("{readable}");
    }
    let options = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside);
    let lock = options.map_err(|error| unusable("create", error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(refuse(format!(
            "{} is in use by another worker, and worker.single says that there is one; set postgres:// for several",
            file.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unusable("lock", error)),
    }
}

/// Opens and migrates, for as long as it takes the database to answer.
async fn open_store(section: &DatabaseSettings, settings: &Settings) -> anyhow::Result<Store> {
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(RETRY_FIRST)
        .with_max_delay(RETRY_LAST)
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        let error = match open_and_migrate(section).await {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        match error.refusal() {
            Some(refusal) => return Err(settings.placed(refusal).into()),
            None if error.is_unavailable() || error.is_busy() => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "waiting for the database: {error}"
                );
            }
            None => return Err(error.into()),
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
