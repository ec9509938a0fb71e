//! What every list takes beside its filters.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// One JSON object a line; times are UTC
    #[arg(long)]
    pub(crate) json: bool,
    /// Without the line that names the columns
    #[arg(long, conflicts_with = "json")]
    pub(crate) no_header: bool,
}
