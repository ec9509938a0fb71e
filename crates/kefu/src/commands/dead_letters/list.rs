use kefu_process::clock;
use kefu_queue::Job;
use kefu_store::{DeadLetterRow, LetterState, Store};
use serde_json::{Value, json};

use super::{kind, query};
use crate::cli::ListLettersArgs;
use crate::commands::store::explained;
use crate::output::{self, Table, local, printable};

/// Longest piece of an error on a line of a list, in characters.
const ERROR_CHARS_MAX: usize = 100;

const COLUMNS: [&str; 11] = [
    "ID", "ARCHIVED", "STATE", "KIND", "APP", "LANE", "REASON", "ATTEMPTS", "ACCOUNT", "CUSTOMER", "ERROR",
];

pub(super) async fn list(store: &Store, args: &ListLettersArgs) -> anyhow::Result<()> {
    kind::check(store, &args.filter).await?;
    let state = (!args.all).then_some(LetterState::Open);
    let listed = store
        .newest_dead_letters(&query(&args.filter, state), args.after, args.list.limit)
        .await
        .map_err(explained)?;
    match args.list.json {
        true => listed
            .rows
            .iter()
            .try_for_each(|letter| output::json(&as_json(letter)))?,
        false => as_table(&listed.rows).print(!args.list.no_header)?,
    }
    if listed.rows.is_empty() && !args.list.json {
        output::note("no dead letters match")?;
    }
    if let Some(more) = listed.more {
        output::more(more)?;
    }
    Ok(())
}

pub(super) fn as_table<'a>(letters: impl IntoIterator<Item = &'a DeadLetterRow>) -> Table {
    let mut table = Table::new(COLUMNS);
    let known = |text: Option<&str>| printable(text.unwrap_or("-"));
    for letter in letters {
        let about = About::of(letter);
        table.push([
            letter.seq.to_string(),
            local(letter.archived_at),
            letter.state.as_str().to_owned(),
            printable(letter.kind.as_deref().unwrap_or("none")),
            known(letter.app.as_deref()),
            known(letter.lane.as_deref()),
            printable(&letter.reason),
            letter.attempts.to_string(),
            known(about.account.as_deref()),
            known(about.customer.as_deref()),
            error(letter),
        ]);
    }
    table
}

fn error(letter: &DeadLetterRow) -> String {
    let error = letter.last_error.as_deref().unwrap_or("-");
    let piece: String = error
        .chars()
        .take(ERROR_CHARS_MAX)
        .map(|c| if c == '\n' { ' ' } else { c })
        .collect();
    printable(&piece)
}

/// Whom the job of a letter is about; nobody, where its payload does not say, or its bytes are not there.
#[derive(Default)]
struct About {
    account: Option<String>,
    customer: Option<String>,
}

impl About {
    fn of(letter: &DeadLetterRow) -> About {
        let Ok(job) = Job::decode(&letter.raw) else {
            return About::default();
        };
        let field = |name: &str| Some(job.payload.get(name)?.as_str()?.to_owned());
        About {
            account: field("account"),
            customer: field("customer"),
        }
    }
}

/// Everything but the job itself.
pub(super) fn as_json(letter: &DeadLetterRow) -> Value {
    let time = |at: Option<kefu_domain::Millis>| at.map(|at| clock::rfc3339(at.0));
    let about = About::of(letter);
    json!({
        "id": letter.seq,
        "job_id": letter.job_id,
        "replay": letter.replay,
        "kind": letter.kind,
        "app": letter.app,
        "lane": letter.lane,
        "account": about.account,
        "customer": about.customer,
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
