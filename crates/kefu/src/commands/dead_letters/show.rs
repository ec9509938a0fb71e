use kefu_domain::Millis;
use kefu_process::{ExitError, clock};
use kefu_store::{DeadLetterRow, Store};
use serde_json::Value;

use super::as_json;
use crate::cli::ShowLetterArgs;
use crate::commands::store::refused_or_unexpected;
use crate::output::{self, printable};

pub(super) async fn show(store: &Store, args: &ShowLetterArgs) -> anyhow::Result<()> {
    let letter = store.dead_letter(args.id).await.map_err(refused_or_unexpected)?;
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
    let at = |at: Option<Millis>| at.map_or_else(|| "-".to_owned(), |at| clock::rfc3339(at.0));
    let known = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
    let since = letter
        .state_at
        .map_or_else(String::new, |since| format!(" since {}", clock::rfc3339(since.0)));
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
            format!("{}  {}", at(letter.first_error_at), known(&letter.first_error)),
        ),
        (
            "last error",
            format!("{}  {}", at(letter.error_at), known(&letter.last_error)),
        ),
        ("archived", clock::rfc3339(letter.archived_at.0)),
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
