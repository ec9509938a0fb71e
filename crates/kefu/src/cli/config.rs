//! `--config`, for the commands that read settings and for no other: an option that does nothing is a trap.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A command that reads settings.
#[derive(Debug, Args)]
pub(crate) struct Configured<T: Args> {
    #[command(flatten)]
    pub(crate) args: T,
    /// Settings file; else $KEFU_CONFIG, else ./kefu.toml if it exists
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
}

/// A group of such commands; the option may stand at any place behind the group's name.
#[derive(Debug, Args)]
pub(crate) struct ConfiguredGroup<C: Subcommand> {
    /// Settings file; else $KEFU_CONFIG, else ./kefu.toml if it exists
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: C,
}
