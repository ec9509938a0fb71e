use std::path::Path;

use kefu_process::clock;
use kefu_store::{EventQuery, EventRow};
use serde_json::json;

use crate::cli::EventsCommand;
use crate::commands::store::{refused_or_unexpected, with_store};
use crate::output;

pub(super) async fn run(config: Option<&Path>, command: &EventsCommand) -> anyhow::Result<()> {
    let EventsCommand::List { limit, json } = command;
    let events = with_store(config, "kefu-events", async |store| {
        store
            .events(&EventQuery::default(), *limit)
            .await
            .map_err(refused_or_unexpected)
    })
    .await?
    .rows;
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
