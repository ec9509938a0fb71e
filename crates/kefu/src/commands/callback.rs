//! `kefu callback`: one callback opened or sealed by a person.

mod key;
mod open;
mod query;
mod seal;

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use kefu_process::ExitError;

use crate::cli::CallbackCommand;

/// Largest input; callbacks are about 1 KiB.
const INPUT_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn run(config: Option<&Path>, command: &CallbackCommand) -> anyhow::Result<()> {
    match command {
        CallbackCommand::Open(args) => open::open(config, args),
        CallbackCommand::Seal(args) => seal::seal(config, args),
    }
}

fn read_input() -> anyhow::Result<Vec<u8>> {
    let mut input = Vec::new();
    std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut input)
        .context("stdin cannot be read")?;
    if INPUT_BYTES_MAX < input.len() as u64 {
        return Err(ExitError::No(format!("input is longer than {INPUT_BYTES_MAX} bytes")).into());
    }
    Ok(input)
}
