use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Subcommand};
use kefu_queue::Lane;
use kefu_store::Moment;
use kefu_worker::REASONS;

use super::{ListArgs, moment};

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List letters, newest first: the open ones, neither replayed nor discarded
    List(ListLettersArgs),
    /// Show one letter: its story and the job itself
    Show(ShowLetterArgs),
    /// Run the jobs of open letters again; twice is once
    ///
    /// Each letter is marked, and a worker publishes its job within seconds, with a fresh count of attempts. A pull
    /// or a turn also gets its row a fresh start: messages that were given up are owed again, unless somebody has
    /// answered later ones. A job that dies again is a letter of its own.
    Replay(ChangeLettersArgs),
    /// Keep open letters, and list them no more
    Discard(ChangeLettersArgs),
}

/// Which letters are meant.
#[derive(Debug, Args)]
pub(crate) struct LetterFilterArgs {
    /// Kind of the job, such as kf.turn; `none`: bytes that are no job
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Lane the job lived in
    #[arg(long, value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::as_str)))]
    pub(crate) lane: Option<String>,
    /// App of the job
    #[arg(long)]
    pub(crate) app: Option<String>,
    /// Why it died
    #[arg(long, value_parser = PossibleValuesParser::new(REASONS))]
    pub(crate) reason: Option<String>,
    /// Account (open_kfid) a pull or a turn was about
    #[arg(long, value_name = "OPEN_KFID")]
    pub(crate) account: Option<String>,
    /// Customer (external_userid) a turn was about
    #[arg(long, value_name = "EXTERNAL_USERID")]
    pub(crate) customer: Option<String>,
    /// Archived at this time or later: 90m and 2days ago, or a moment such as 2026-11-20T09:00
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) since: Option<Moment>,
}

#[derive(Debug, Args)]
pub(crate) struct ListLettersArgs {
    #[command(flatten)]
    pub(crate) filter: LetterFilterArgs,
    /// Also those that were replayed or discarded
    #[arg(long)]
    pub(crate) all: bool,
    /// Behind the letter of this number: the next page, as the one before says
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowLetterArgs {
    /// Number of the letter
    pub(crate) id: i64,
    /// One JSON object
    #[arg(long, conflicts_with = "raw")]
    pub(crate) json: bool,
    /// Exactly the bytes of the job, and nothing else
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "all", "kind", "lane", "app", "reason", "account", "customer", "since"]))]
pub(crate) struct ChangeLettersArgs {
    /// Numbers of letters; else name a filter or --all
    #[arg(value_name = "ID", conflicts_with_all = ["all", "kind", "lane", "app", "reason", "account", "customer", "since"])]
    pub(crate) ids: Vec<i64>,
    #[command(flatten)]
    pub(crate) filter: LetterFilterArgs,
    /// All open letters
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many, the oldest first
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object with every letter and what became of it
    #[arg(long)]
    pub(crate) json: bool,
}
