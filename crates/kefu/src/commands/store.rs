//! The database, for commands that only need that.

use std::path::Path;

use kefu_process::ExitError;
use kefu_settings::{Origin, Settings};
use kefu_store::{DatabaseSettings, Store, StoreError};

use crate::commands::start_telemetry;

const KEY: &str = "database.url";

/// Opens the database, which must be there and at this version, for one piece of work. Looking makes none.
pub(super) async fn with_store<T>(
    config: Option<&Path>,
    role: &str,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let settings = Settings::load(config)?;
    let _telemetry = start_telemetry(role, &settings)?;
    let section: DatabaseSettings = settings.section("database")?;
    let store = match Store::open_existing(&section).await {
        Err(error @ StoreError::Missing(_)) => {
            let layer = layer(&settings);
            let what = format!(
                "{error} (from {layer}); this command makes none: call it where Kefu runs, or with its settings"
            );
            return Err(ExitError::refused(KEY, what).into());
        }
        opened => opened.map_err(explained)?,
    };
    let outcome = match store.check_schema().await {
        Ok(()) => work(&store).await,
        Err(error) => Err(explained(error)),
    };
    store.close().await;
    outcome
}

/// The database of the settings, made if it is not there. A command does not wait for one that is away.
pub(super) async fn create_store(settings: &Settings) -> anyhow::Result<Store> {
    let section: DatabaseSettings = settings.section("database")?;
    Store::open(&section).await.map_err(explained)
}

/// What an error of the database means for a command: refused, away, or unexpected.
pub(crate) fn explained(error: StoreError) -> anyhow::Error {
    if let Some(refusal) = error.refusal() {
        return refusal.into();
    }
    match error.is_unavailable() || error.is_busy() {
        true => ExitError::away(KEY, &error).into(),
        false => anyhow::Error::new(error).context(KEY),
    }
}

/// Where the URL of the database comes from.
fn layer(settings: &Settings) -> String {
    match settings.origin(KEY) {
        Origin::Variable(name) => name,
        Origin::Reference => format!("the default of {KEY}"),
        other => other.to_string(),
    }
}
