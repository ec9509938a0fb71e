//! The database, for commands that only need that.

use std::path::Path;

use kefu_process::ExitError;
use kefu_settings::Settings;
use kefu_store::{DatabaseSettings, Store, StoreError};

use crate::commands::start_telemetry;

/// Opens the database, which must be at this version, for one piece of work.
pub(super) async fn with_store<T>(
    config: Option<&Path>,
    role: &str,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let settings = Settings::load(config)?;
    let _telemetry = start_telemetry(role, &settings)?;
    let store = open_store(&settings).await?;
    let outcome = match store.check_schema().await {
        Ok(()) => work(&store).await,
        Err(error) => Err(refused_or_unexpected(error)),
    };
    store.close().await;
    outcome
}

/// The database of the settings. A command does not wait for one that is away.
pub(super) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let section: DatabaseSettings = settings.section("database")?;
    Store::open(&section).await.map_err(refused_or_unexpected)
}

pub(super) fn refused_or_unexpected(error: StoreError) -> anyhow::Error {
    match error.is_refusal() {
        true => ExitError::refused_for("database.url", &error).into(),
        false => anyhow::Error::new(error).context("database.url"),
    }
}
