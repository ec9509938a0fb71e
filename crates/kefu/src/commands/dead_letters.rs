//! `kefu dead-letters`: jobs that ended for good without success.

mod change;
mod show;

use std::path::Path;

use kefu_process::clock;
use kefu_store::{DeadLetterRow, LetterQuery, LetterState, Moment, Store};
use serde_json::json;

use crate::cli::{DeadLettersCommand, LetterFilterArgs, ListLettersArgs};
use crate::commands::store::{refused_or_unexpected, with_store};
use crate::output::{self, printable};

use change::Change;

/// Longest piece of an error on a line of a list, in characters.
const ERROR_CHARS_MAX: usize = 100;

pub(super) async fn run(config: Option<&Path>, command: &DeadLettersCommand) -> anyhow::Result<()> {
    with_store(config, "kefu-dead-letters", async |store| match command {
        DeadLettersCommand::List(args) => list(store, args).await,
        DeadLettersCommand::Show(args) => show::show(store, args).await,
        DeadLettersCommand::Replay(args) => change::change(store, Change::Replay, args).await,
        DeadLettersCommand::Discard(args) => change::change(store, Change::Discard, args).await,
    })
    .await
}

async fn list(store: &Store, args: &ListLettersArgs) -> anyhow::Result<()> {
    let state = (!args.all).then_some(LetterState::Open);
    let letters = store
        .newest_dead_letters(&query(&args.filter, state), None, args.limit)
        .await
        .map_err(refused_or_unexpected)?
        .rows;
    for letter in &letters {
        match args.json {
            true => output::json(&as_json(letter))?,
            false => output::line(as_text(letter))?,
        }
    }
    if letters.is_empty() && !args.json {
        output::note("no dead letters match")?;
    }
    Ok(())
}

fn query(filter: &LetterFilterArgs, state: Option<LetterState>) -> LetterQuery<'_> {
    LetterQuery {
        kind: filter.kind.as_deref(),
        lane: filter.lane.as_deref(),
        app: filter.app.as_deref(),
        reason: filter.reason.as_deref(),
        since: filter.since.map(Moment::Ago),
        state,
        account: None,
        customer: None,
    }
}

fn as_text(letter: &DeadLetterRow) -> String {
    let error: String = letter
        .last_error
        .as_deref()
        .unwrap_or("-")
        .chars()
        .take(ERROR_CHARS_MAX)
        .map(|c| if c == '\n' { ' ' } else { c })
        .collect();
    format!(
        "{:>6}  {}  {:<9}  {:<10}  {:<10}  {:<6}  {:<15}  attempts {}  {}",
        letter.seq,
        clock::rfc3339(letter.archived_at.0),
        letter.state.as_str(),
        printable(letter.kind.as_deref().unwrap_or("none")),
        printable(letter.app.as_deref().unwrap_or("-")),
        letter.lane.as_deref().unwrap_or("-"),
        printable(&letter.reason),
        letter.attempts,
        printable(&error),
    )
}

/// Everything but the job itself.
fn as_json(letter: &DeadLetterRow) -> serde_json::Value {
    let time = |at: Option<kefu_domain::Millis>| at.map(|at| clock::rfc3339(at.0));
    json!({
        "id": letter.seq,
        "job_id": letter.job_id,
        "replay": letter.replay,
        "kind": letter.kind,
        "app": letter.app,
        "lane": letter.lane,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "first_error": letter.first_error,
        "first_error_at": time(letter.first_error_at),
        "last_error": letter.last_error,
        "last_error_at": time(letter.error_at),
        "archived_at": clock::rfc3339(letter.archived_at.0),
        "state": letter.state.as_str(),
        "state_at": time(letter.state_at),
        "trace": letter.trace,
        "bytes": letter.raw_bytes,
    })
}
