use std::path::Path;

use kefu_process::clock;
use kefu_store::{EventQuery, EventRow};
use serde_json::json;

use crate::cli::{EventsCommand, ListEventsArgs};
use crate::commands::store::{explained, with_store};
use crate::output::{self, Table, local, printable};

const COLUMNS: [&str; 6] = ["NUMBER", "RECEIVED", "APP", "KIND", "FROM", "BYTES"];

pub(super) async fn run(config: Option<&Path>, command: &EventsCommand) -> anyhow::Result<()> {
    let EventsCommand::List(args) = command;
    let query = EventQuery {
        kind: args.kind.as_deref(),
        app: args.app.as_deref(),
        since: args.since,
        until: args.until,
        before: args.after,
    };
    let listed = with_store(config, "kefu-events", async |store| {
        store.events(&query, args.list.limit).await.map_err(explained)
    })
    .await?;
    match args.list.json {
        true => listed
            .rows
            .iter()
            .try_for_each(|event| output::json(&as_json(event)))?,
        false => as_table(&listed.rows).print(!args.list.no_header)?,
    }
    if listed.rows.is_empty() && !args.list.json {
        output::note(match is_narrow(args) {
            true => "no app events match",
            false => "no app events are stored",
        })?;
    }
    if let Some(more) = listed.more {
        output::more(more)?;
    }
    Ok(())
}

fn is_narrow(args: &ListEventsArgs) -> bool {
    let words = args.kind.is_some() || args.app.is_some();
    words || args.since.is_some() || args.until.is_some() || args.after.is_some()
}

fn as_table(events: &[EventRow]) -> Table {
    let mut table = Table::new(COLUMNS);
    for event in events {
        table.push([
            event.seq.to_string(),
            local(event.received_at),
            printable(&event.app),
            printable(&event.kind),
            printable(event.from_user.as_deref().unwrap_or("-")),
            event.raw.len().to_string(),
        ]);
    }
    table
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
