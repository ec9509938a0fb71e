//! `kefu bench`: what is measured, and how much of it.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

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
