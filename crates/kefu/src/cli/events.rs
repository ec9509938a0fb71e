//! `kefu events`: which events a person wants to see.

use clap::{Args, Subcommand};
use kefu_store::Moment;

use super::{ListArgs, moment};

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List stored app events, newest first
    List(ListEventsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListEventsArgs {
    /// Kind of the event, such as text or event.click
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// App that was called
    #[arg(long)]
    pub(crate) app: Option<String>,
    /// Received at this time or later: 90m and 2days ago, or a moment such as 2026-11-20T09:00
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) since: Option<Moment>,
    /// Received before this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) until: Option<Moment>,
    /// Behind the event of this number: the next page, as the one before says
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}
