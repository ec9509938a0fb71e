use crate::cli::{self, CompletionsArgs};
use crate::output;

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    // Not written straight to stdout: there a reader who has gone would be a panic.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::description(), "kefu", &mut script);
    Ok(output::bytes(&script)?)
}
