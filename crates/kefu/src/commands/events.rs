use std::path::Path;

use kefu_process::{ExitError, Settings, clock};
use kefu_store::{DatabaseSettings, EventRow, Store, StoreError};
use serde_json::json;

use crate::cli::EventsCommand;
use crate::commands::start_telemetry;
use crate::output;

pub(super) async fn run(config: Option<&Path>, command: &EventsCommand) -> anyhow::Result<()> {
    let EventsCommand::List { limit, json } = command;
    let settings = Settings::load(config)?;
    let _telemetry = start_telemetry("kefu-events", &settings)?;
    let store = open_store(&settings).await?;
    let events = async {
        store.check_schema().await?;
        store.events(*limit, None).await
    };
    let events = events.await;
    store.close().await;
    let events = events.map_err(refused_or_unexpected)?;
    for event in &events {
        if *json {
            output::json(&as_json(event))?;
        } else {
            output::line(as_text(event))?;
        }
    }
    if events.is_empty() && !json {
        output::note("no app events are stored")?;
    }
    Ok(())
}

fn as_text(event: &EventRow) -> String {
    let at = clock::rfc3339(event.received_at.0);
    let from = event.from_user.as_deref().unwrap_or("-");
    format!(
        "{at}  {:<12}  {:<40}  {from}  {} bytes",
        event.app,
        event.kind,
        event.raw.len()
    )
}

fn as_json(event: &EventRow) -> serde_json::Value {
    json!({
        "seq": event.seq,
        "app": event.app,
        "kind": event.kind,
        "hash": event.hash,
        "from_user": event.from_user,
        "created_at": event.created_at.map(|at| clock::rfc3339(at.0)),
        "received_at": clock::rfc3339(event.received_at.0),
        "stored_at": clock::rfc3339(event.stored_at.0),
        "plaintext": String::from_utf8_lossy(&event.raw),
    })
}

/// The database of the settings. A command does not wait for one that is away.
pub(crate) async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let section: DatabaseSettings = settings.section("database")?;
    Store::open(&section).await.map_err(refused_or_unexpected)
}

pub(crate) fn refused_or_unexpected(error: StoreError) -> anyhow::Error {
    match error.is_refusal() {
        true => ExitError::refused_for("database.url", &error).into(),
        false => anyhow::Error::new(error).context("database.url"),
    }
}
