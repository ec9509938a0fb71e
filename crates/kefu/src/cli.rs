//! The words of the command line. Their help is the first document a newcomer reads.

mod dead_letters;
mod replies;

pub(crate) use dead_letters::{
    ChangeLettersArgs, DeadLettersCommand, LetterFilterArgs, ListLettersArgs, ShowLetterArgs,
};
pub(crate) use replies::{ListRepliesArgs, RepliesCommand, ReplyStatus, ResolveAs, ResolveReplyArgs};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The durable front door of WeCom customer service (微信客服).
///
/// WeCom calls one URL whenever a customer writes. Kefu answers that call in milliseconds, keeps the event in a
/// durable queue, and workers pull the messages, decide on a reply and send it: nothing lost, nothing said twice.
///
/// Start with `kefu demo`: everything in one process against a simulated WeCom, nothing to install.
#[derive(Debug, Parser)]
#[command(name = "kefu", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Settings file; else $KEFU_CONFIG, else ./kefu.toml if it exists
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 the answer is no (did not open, something lost, a finding); 2 usage or settings;
70 anything unexpected.

`kefu settings` prints all settings with their meaning and default.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job: simulated customers write, Kefu answers; embedded engines, nothing installed
    Demo(DemoArgs),
    /// Run Kefu with your settings: both roles in one process, or the one you name
    Run(RunArgs),
    /// Play WeCom and its customers towards a running Kefu
    Simulate(SimulateArgs),
    /// Bring the database schema to this version
    Migrate,
    /// Print the reference of all settings, or check your own
    Settings(SettingsArgs),
    /// Check or make one callback by hand
    #[command(subcommand)]
    Callback(CallbackCommand),
    /// Dead letters: jobs that ended for good without success
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Parts of replies of which nobody knows whether they were seen
    #[command(subcommand)]
    Replies(RepliesCommand),
    /// App events: callbacks that are no customer message
    #[command(subcommand)]
    Events(EventsCommand),
    /// Measure on this machine
    #[command(subcommand)]
    Bench(BenchCommand),
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

/// The simulated corp takes `apps.default` of your settings if it is set, else fixed demonstration values.
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
    /// Language of the reference's comments
    #[arg(long, value_enum, default_value_t = Language::En)]
    pub(crate) language: Language,
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

#[derive(Debug, Subcommand)]
pub(crate) enum CallbackCommand {
    /// Open an envelope or a bare echostr from stdin; writes exactly the plaintext bytes
    Open(OpenArgs),
    /// Seal plaintext from stdin into a signed envelope, as WeCom would send it
    Seal(SealArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Token of the callback, as entered in WeCom's console
    #[arg(long)]
    pub(crate) token: String,
    /// EncodingAESKey, 43 characters
    #[arg(long, value_name = "KEY")]
    pub(crate) encoding_aes_key: String,
    /// Accepted receive id, repeatable; none: it is not checked
    #[arg(long, value_name = "ID")]
    pub(crate) receive_id: Vec<String>,
    /// Signature of the query; without it nothing is proven about the sender
    #[arg(long, requires_all = ["timestamp", "nonce"])]
    pub(crate) msg_signature: Option<String>,
    #[arg(long, requires = "msg_signature")]
    pub(crate) timestamp: Option<String>,
    #[arg(long, requires = "msg_signature")]
    pub(crate) nonce: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// Token of the callback, as entered in WeCom's console
    #[arg(long)]
    pub(crate) token: String,
    /// EncodingAESKey, 43 characters
    #[arg(long, value_name = "KEY")]
    pub(crate) encoding_aes_key: String,
    /// Receive id inside the frame: the corp id
    #[arg(long, value_name = "ID")]
    pub(crate) receive_id: String,
    /// Unix seconds; default: now
    #[arg(long)]
    pub(crate) timestamp: Option<String>,
    /// Default: random
    #[arg(long)]
    pub(crate) nonce: Option<String>,
    /// What to write: the body with the query on stderr, or a ready curl command's arguments
    #[arg(long, value_enum, default_value_t = SealForm::Xml)]
    pub(crate) form: SealForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SealForm {
    /// XML body on stdout, query on stderr
    Xml,
    /// JSON body on stdout, query on stderr
    Json,
    /// Query with echostr on stdout, for the check of an address
    Echo,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List stored app events, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// One JSON object a line, with the plaintext
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Callbacks a second of the ingress, beside a bare handler that only publishes
    Ingress(BenchIngressArgs),
    /// Customer messages a second, from the callback to the visible reply
    EndToEnd(BenchEndToEndArgs),
    /// The bare handler that `ingress` compares with
    #[command(hide = true)]
    BareHandler {
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BenchIngressArgs {
    /// Callbacks per round
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) callbacks: u32,
    /// Connections at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// Rounds of each, in turns; medians are compared
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) rounds: u32,
    /// Results as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchEndToEndArgs {
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) customers: u32,
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) messages: u32,
    /// Results as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
