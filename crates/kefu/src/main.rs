//! `kefu`: the operator's command. All roles in one executable, the simulator, and tools around them.

mod bench;
mod cli;
mod commands;
mod output;
mod progress;
mod roles;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    kefu_process::run_process("kefu", || commands::run(cli))
}
