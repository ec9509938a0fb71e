//! One file a command.

mod callback;
mod completions;
mod dead_letters;
pub(crate) mod demo;
mod events;
mod migrate;
mod replies;
mod run;
mod settings;
mod simulate;
pub(crate) mod store;
mod version;

use std::path::PathBuf;

use kefu_process::{ExitError, LogSettings, Telemetry, telemetry};
use kefu_settings::Settings;

use crate::bench;
use crate::cli::{BenchCommand, Cli, Command, Configured, ConfiguredGroup};

pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let before = cli.config;
    match cli.command {
        Command::Demo(args) => {
            reads_none(before, "demo")?;
            demo::run(&args).await
        }
        Command::Completions(args) => {
            reads_none(before, "completions")?;
            completions::run(&args)
        }
        Command::Version(args) => {
            reads_none(before, "version")?;
            version::run(&args)
        }
        Command::Run(Configured { config, args }) => {
            run::run(config.or(before).as_deref(), &args.roles).await
        }
        Command::Simulate(Configured { config, args }) => {
            simulate::run(config.or(before).as_deref(), &args).await
        }
        Command::Migrate(Configured { config, args }) => {
            migrate::run(config.or(before).as_deref(), &args).await
        }
        Command::Settings(Configured { config, args }) => {
            settings::run(config.or(before).as_deref(), &args).await
        }
        Command::Callback(ConfiguredGroup { config, command }) => {
            callback::run(config.or(before).as_deref(), &command)
        }
        Command::DeadLetters(ConfiguredGroup { config, command }) => {
            dead_letters::run(config.or(before).as_deref(), &command).await
        }
        Command::Replies(ConfiguredGroup { config, command }) => {
            replies::run(config.or(before).as_deref(), &command).await
        }
        Command::Events(ConfiguredGroup { config, command }) => {
            events::run(config.or(before).as_deref(), &command).await
        }
        Command::Bench(ConfiguredGroup { config, command }) => measure(config.or(before), command).await,
    }
}

async fn measure(config: Option<PathBuf>, command: BenchCommand) -> anyhow::Result<()> {
    let config = config.as_deref();
    match command {
        BenchCommand::Ingress(args) => bench::ingress::run(config, &args).await,
        BenchCommand::EndToEnd(args) => bench::end_to_end::run(config, &args).await,
        BenchCommand::BareHandler { listen } => bench::bare_handler::run(config, listen).await,
    }
}

/// An option that would do nothing is refused.
fn reads_none(config: Option<PathBuf>, command: &str) -> Result<(), ExitError> {
    match config {
        None => Ok(()),
        Some(_) => Err(ExitError::refused(
            "--config",
            format_args!("`kefu {command}` reads no settings"),
        )),
    }
}

/// Telemetry as the settings say.
pub(crate) fn start_telemetry(role: &str, settings: &Settings) -> anyhow::Result<Telemetry> {
    let log: LogSettings = settings.section("log")?;
    Ok(telemetry::start(role, &log)?)
}
