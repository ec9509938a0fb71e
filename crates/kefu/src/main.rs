//! `kefu`: the operator's command. All roles in one executable, the simulator, and tools around them.

mod bench;
mod cli;
mod commands;
mod output;
mod progress;
mod roles;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::of_process() {
        Ok(cli) => kefu_process::run_process("kefu", || commands::run(cli)),
        Err(code) => code,
    }
}
