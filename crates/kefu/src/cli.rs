//! The words of the command line. Their help is the first document a newcomer reads.

mod bench;
mod callback;
mod config;
mod dead_letters;
mod events;
mod list;
mod moment;
mod replies;
mod usage;

pub(crate) use bench::{BenchCommand, BenchEndToEndArgs, BenchIngressArgs};
pub(crate) use callback::{CallbackCommand, KeyArgs, OpenArgs, SealArgs, SealForm};
pub(crate) use config::{Configured, ConfiguredGroup};
pub(crate) use dead_letters::{
    ChangeLettersArgs, DeadLettersCommand, LetterFilterArgs, ListLettersArgs, ShowLetterArgs,
};
pub(crate) use events::{EventsCommand, ListEventsArgs};
pub(crate) use list::ListArgs;
pub(crate) use replies::{ListRepliesArgs, Place, RepliesCommand, ReplyStatus, ResolveAs, ResolveReplyArgs};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// The durable front door of WeCom customer service (微信客服).
///
/// WeCom calls one URL whenever a customer writes. Kefu answers that call in milliseconds, keeps the event in a
/// durable queue, and workers pull the messages, decide on a reply and send it: nothing lost, nothing said twice.
///
/// Start with `kefu demo`: everything in one process against a simulated WeCom, nothing to install.
#[derive(Debug, Parser)]
#[command(name = "kefu", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Settings file of the commands that read settings; else $KEFU_CONFIG, else ./kefu.toml if it exists
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 the answer is no (did not open, something lost, a finding); 2 usage or settings, or a service
that refuses; 69 a service is away, the same again may work later; 70 anything unexpected.

`kefu settings` prints all settings with their meaning and default.";

impl Cli {
    /// The command line of this process; what is wrong with it stands on stderr by then.
    pub(crate) fn of_process() -> Result<Cli, ExitCode> {
        Cli::try_parse().map_err(|error| usage::tell(&error))
    }
}

/// The whole command line, for those who describe it.
pub(crate) fn description() -> clap::Command {
    Cli::command()
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job: simulated customers write, Kefu answers; embedded engines, nothing installed
    Demo(DemoArgs),
    /// Run Kefu with your settings: both roles in one process, or the one you name
    Run(Configured<RunArgs>),
    /// Play WeCom and its customers towards a running Kefu
    ///
    /// The simulated corp takes `apps.default` of your settings if it is set, else fixed demonstration values.
    Simulate(Configured<SimulateArgs>),
    /// Bring the database schema to this version
    Migrate(Configured<MigrateArgs>),
    /// Print the reference of all settings, or check your own
    Settings(Configured<SettingsArgs>),
    /// Check or make one callback by hand
    Callback(ConfiguredGroup<CallbackCommand>),
    /// Dead letters: jobs that ended for good without success
    DeadLetters(ConfiguredGroup<DeadLettersCommand>),
    /// Parts of replies of which nobody knows whether they were seen
    Replies(ConfiguredGroup<RepliesCommand>),
    /// App events: callbacks that are no customer message
    Events(ConfiguredGroup<EventsCommand>),
    /// Measure on this machine
    Bench(ConfiguredGroup<BenchCommand>),
    /// Print the script that completes `kefu` in a shell
    Completions(CompletionsArgs),
    /// Say which program this is
    Version(VersionArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// What was done as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "bash: kefu completions bash > ~/.local/share/bash-completion/completions/kefu
zsh:  kefu completions zsh > \"${fpath[1]}/_kefu\"
fish: kefu completions fish > ~/.config/fish/completions/kefu.fish"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// One JSON object, with compiler and target
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the simulated WeCom and its page listen; port 0 takes a free one. Whoever reaches it may play
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Scripted customers
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) customers: u32,
    /// Messages of all customers together
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) messages: u32,
    /// End after the script instead of staying up for a chat in the browser
    #[arg(long)]
    pub(crate) once: bool,
    /// Totals as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Show what Kefu logs on the way
    #[arg(long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Roles of this process; none named: all
    #[arg(value_enum)]
    pub(crate) roles: Vec<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Takes callbacks and queues them
    Ingress,
    /// Pulls, decides and sends
    Worker,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Where the simulated WeCom listens: its API, its model and the customers' page. Whoever reaches it may play
    #[arg(long, default_value = "127.0.0.1:3900", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Where it sends callbacks; the script begins when somebody answers there
    #[arg(long, default_value = "http://127.0.0.1:3001/callback", value_name = "URL")]
    pub(crate) callback: String,
    /// Scripted customers
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) customers: u32,
    /// Messages of all customers together; 0: only people in the browser write
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) messages: u32,
    /// Between two bursts of each customer
    #[arg(long, default_value = "100ms", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) pause: Duration,
    /// Most messages in one page of sync_msg, below what Kefu asks for
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) page_size: u32,
    /// What goes wrong from the start, as in docs/simulator.md: {"api":"kf/send_msg","kind":"limit","calls":10000}
    #[arg(long = "fault", value_name = "JSON")]
    pub(crate) faults: Vec<String>,
    /// End after the script, or after 15 s in which nobody answered at the callback address
    #[arg(long)]
    pub(crate) once: bool,
    /// Totals as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the settings with which Kefu talks to this simulator, as shell exports, and end
    #[arg(long)]
    pub(crate) settings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Language of the reference's comments; default: en
    #[arg(long, value_enum, conflicts_with_all = ["check", "effective"])]
    pub(crate) language: Option<Language>,
    /// Check file and environment instead, as a start does; names every mistake and its place
    #[arg(long)]
    pub(crate) check: bool,
    /// With --check: also ask the services once, WeCom for a token and the model for an answer
    #[arg(long, requires = "check")]
    pub(crate) connect: bool,
    /// Show every value in force and where it was set; secrets are not shown
    #[arg(long, conflicts_with = "check")]
    pub(crate) effective: bool,
    /// With --check or --effective: JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Roles to check for; none named: all
    #[arg(value_enum, requires = "check")]
    pub(crate) roles: Vec<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    En,
    /// 中文
    Zh,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
