//! Whether the services take what the settings say: each is asked once, and nothing is made or changed.

use std::error::Error;
use std::time::Duration;

use kefu_domain::Millis;
use kefu_model::{AiSettings, Line, Model, Role};
use kefu_outbound::Apps;
use kefu_process::{chain, clock};
use kefu_settings::{Settings, SettingsError};
use kefu_state::{State, StateSettings};
use kefu_store::{DatabaseSettings, Store};
use kefu_wecom::{Client, WecomSettings};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::check::{breaker_wait, own, tls};

/// Longest time for one service; a model has its own.
const SERVICE_MAX: Duration = Duration::from_secs(15);

/// One service, and what it said.
#[derive(Debug)]
pub struct Trial {
    pub service: String,
    pub outcome: Result<String, Trouble>,
}

#[derive(Debug)]
pub enum Trouble {
    /// It answered and refused: the setting is wrong.
    Refused(SettingsError),
    /// It did not answer.
    Away(SettingsError),
}

/// Asks the database, Redis, WeCom for each app, and the model.
pub async fn try_services(settings: &Settings) -> Result<Vec<Trial>, SettingsError> {
    let settings = &own(settings);
    let mut trials = vec![
        within(
            "database",
            "database.url",
            database(settings.section("database")?),
        )
        .await,
        within("state", "state.url", state(settings.section("state")?)).await,
    ];
    let (wecom, ai): (WecomSettings, AiSettings) = (settings.section("wecom")?, settings.section("ai")?);
    let tls = tls(&wecom, &ai)?;
    let wait = breaker_wait(settings)?;
    let (_, credentials) = Apps::new(&settings.entries("apps")?, wait)?;
    let names: Vec<String> = credentials.iter().map(|app| app.name.clone()).collect();
    let client = Client::new(&wecom, credentials, tls.clone(), None)?;
    for name in names {
        let (service, key) = (format!("wecom, app {name}"), format!("apps.{name}.secret"));
        trials.push(within(&service, &key, token(&client, &name, &key)).await);
    }
    if let Some(model) = Model::new(&ai, tls, wait)? {
        trials.push(Trial {
            service: "model".to_owned(),
            outcome: answer(&model).await,
        });
    }
    Ok(trials)
}

async fn within(service: &str, key: &str, trial: impl Future<Output = Result<String, Trouble>>) -> Trial {
    let late = || {
        Err(Trouble::Away(SettingsError::new(
            key,
            format!("no answer within {SERVICE_MAX:?}"),
        )))
    };
    Trial {
        service: service.to_owned(),
        outcome: timeout(SERVICE_MAX, trial).await.unwrap_or_else(|_| late()),
    }
}

async fn database(settings: DatabaseSettings) -> Result<String, Trouble> {
    let key = "database.url";
    let url = settings.url.expose_secret();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !std::path::Path::new(path).exists() {
            return Ok("a file that is not there yet; the first start makes it".to_owned());
        }
    }
    let store = Store::open_existing(&settings).await;
    let store = store.map_err(|error| told(key, error.is_refusal(), &error))?;
    let found = store.check_schema().await;
    store.close().await;
    match found {
        Ok(()) => Ok("answers, and its schema is of this version".to_owned()),
        // The start brings it up.
        Err(error) if error.is_refusal() => Ok(format!("answers; {error}")),
        Err(error) => Err(told(key, false, &error)),
    }
}

async fn state(settings: StateSettings) -> Result<String, Trouble> {
    let key = "state.url";
    if settings.url.expose_secret() == "memory:" {
        return Ok("is in memory".to_owned());
    }
    let state = State::open(&settings)
        .await
        .map_err(|error| told(key, true, &error))?;
    match state.ping().await {
        Ok(_) => Ok("answers".to_owned()),
        Err(error) => Err(told(key, false, &error)),
    }
}

async fn token(client: &Client, app: &str, key: &str) -> Result<String, Trouble> {
    match client.probe(app).await {
        Ok(_) => Ok("gives an access token".to_owned()),
        Err(error) => Err(told(key, error.code().is_some(), &error)),
    }
}

async fn answer(model: &Model) -> Result<String, Trouble> {
    let question = [Line {
        role: Role::User,
        content: "你好".to_owned(),
    }];
    let asked = model.ask(&[], &question, Millis(clock::now_ms())).await;
    match asked.answer {
        Ok(_) => Ok("answers a question".to_owned()),
        Err(error) => Err(told("ai.base_url", !error.is_transient(), &error)),
    }
}

/// With all causes, in one line.
fn told(key: &str, is_refusal: bool, error: &(dyn Error + 'static)) -> Trouble {
    let text = chain(error);
    let text = text
        .strip_prefix(&format!("{key}: "))
        .map_or(text.clone(), str::to_owned);
    let error = SettingsError::new(key, text);
    match is_refusal {
        true => Trouble::Refused(error),
        false => Trouble::Away(error),
    }
}
