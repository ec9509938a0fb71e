//! `kefu dead-letters`: jobs that ended for good without success.

mod change;
mod kind;
mod list;
mod show;

use std::path::Path;

use kefu_store::{LetterQuery, LetterState};

use crate::cli::{DeadLettersCommand, LetterFilterArgs};
use crate::commands::store::with_store;

use change::Change;

pub(super) async fn run(config: Option<&Path>, command: &DeadLettersCommand) -> anyhow::Result<()> {
    with_store(config, "kefu-dead-letters", async |store| match command {
        DeadLettersCommand::List(args) => list::list(store, args).await,
        DeadLettersCommand::Show(args) => show::show(store, args).await,
        DeadLettersCommand::Replay(args) => change::change(store, Change::Replay, args).await,
        DeadLettersCommand::Discard(args) => change::change(store, Change::Discard, args).await,
    })
    .await
}

fn query(filter: &LetterFilterArgs, state: Option<LetterState>) -> LetterQuery<'_> {
    LetterQuery {
        kind: filter.kind.as_deref(),
        lane: filter.lane.as_deref(),
        app: filter.app.as_deref(),
        reason: filter.reason.as_deref(),
        since: filter.since,
        state,
        account: filter.account.as_deref(),
        customer: filter.customer.as_deref(),
    }
}
