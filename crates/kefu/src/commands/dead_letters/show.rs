use kefu_process::ExitError;
use kefu_store::{DeadLetterRow, Store};
use serde_json::Value;

use super::list::as_json;
use crate::cli::ShowLetterArgs;
use crate::commands::store::explained;
use crate::output::{self, local, local_or_none, printable};

pub(super) async fn show(store: &Store, args: &ShowLetterArgs) -> anyhow::Result<()> {
    let letter = store.dead_letter(args.id).await.map_err(explained)?;
    let letter = letter.ok_or_else(|| ExitError::No(format!("dead letter {}: there is none", args.id)))?;
    if args.raw {
        return Ok(output::bytes(&letter.raw)?);
    }
    if !args.json {
        return Ok(output::line(story(&letter))?);
    }
    let mut whole = as_json(&letter);
    // The envelope where it is one, so that scripts need not read JSON inside of JSON.
    whole["job"] = serde_json::from_slice(&letter.raw).unwrap_or(Value::Null);
    whole["raw"] = String::from_utf8_lossy(&letter.raw).into();
    output::json(&whole)
}

fn story(letter: &DeadLetterRow) -> String {
    let known = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
    let since = letter
        .state_at
        .map_or_else(String::new, |since| format!(" since {}", local(since)));
    let lines = [
        (
            "letter",
            format!("{}, {}{since}", letter.seq, letter.state.as_str()),
        ),
        (
            "job",
            format!("{}, replay {}", printable(&letter.job_id), letter.replay),
        ),
        ("kind", known(&letter.kind)),
        ("app", known(&letter.app)),
        ("lane", known(&letter.lane)),
        ("reason", printable(&letter.reason)),
        ("attempts", letter.attempts.to_string()),
        (
            "first error",
            format!(
                "{}  {}",
                local_or_none(letter.first_error_at),
                known(&letter.first_error)
            ),
        ),
        (
            "last error",
            format!(
                "{}  {}",
                local_or_none(letter.error_at),
                known(&letter.last_error)
            ),
        ),
        ("archived", local(letter.archived_at)),
        ("trace", known(&letter.trace)),
        ("bytes", letter.raw_bytes.to_string()),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{name:<12} {value}\n"));
    }
    text.push('\n');
    text.push_str(&printable(&String::from_utf8_lossy(&letter.raw)));
    text
}
