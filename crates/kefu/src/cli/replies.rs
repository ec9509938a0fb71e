use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum RepliesCommand {
    /// List parts of replies, newest first: those of which nobody knows whether they were seen
    List(ListRepliesArgs),
    /// Say what became of an unknown part, or have it sent again
    Resolve(ResolveReplyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListRepliesArgs {
    /// Which parts
    #[arg(long, value_enum, default_value_t = ReplyStatus::Unknown)]
    pub(crate) status: ReplyStatus,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Also what was said to the customer
    #[arg(long)]
    pub(crate) text: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReplyStatus {
    /// Nobody knows whether they were seen
    Unknown,
    /// Refused for good, or reported as not delivered
    Failed,
    /// Planned, or on their way
    Open,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveReplyArgs {
    /// As listed by `kefu replies list`
    pub(crate) msgid: String,
    /// What is true, or what shall be done
    #[arg(long = "as", value_enum)]
    pub(crate) resolution: ResolveAs,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResolveAs {
    /// The customer has it
    Sent,
    /// The customer never got it; what it answered counts as failed
    Failed,
    /// The customer never got it and shall: the same text again, with the parts that were dropped after it
    Resend,
}
