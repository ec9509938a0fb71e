//! One file a command.

mod callback;
mod dead_letters;
pub(crate) mod demo;
mod events;
mod migrate;
mod replies;
mod run;
mod settings;
mod simulate;
mod store;

use kefu_process::{LogSettings, Telemetry, telemetry};
use kefu_settings::Settings;

use crate::bench;
use crate::cli::{BenchCommand, Cli, Command};

pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Run(args) => run::run(config, &args.roles).await,
        Command::Simulate(args) => simulate::run(config, &args).await,
        Command::Migrate => migrate::run(config).await,
        Command::Settings(args) => settings::run(config, &args).await,
        Command::Callback(command) => callback::run(command),
        Command::DeadLetters(command) => dead_letters::run(config, &command).await,
        Command::Replies(command) => replies::run(config, &command).await,
        Command::Events(command) => events::run(config, &command).await,
        Command::Bench(BenchCommand::Ingress(args)) => bench::ingress::run(config, &args).await,
        Command::Bench(BenchCommand::EndToEnd(args)) => bench::end_to_end::run(config, &args).await,
        Command::Bench(BenchCommand::BareHandler { listen }) => {
            bench::bare_handler::run(config, listen).await
        }
    }
}

/// Telemetry as the settings say.
pub(crate) fn start_telemetry(role: &str, settings: &Settings) -> anyhow::Result<Telemetry> {
    let log: LogSettings = settings.section("log")?;
    Ok(telemetry::start(role, &log)?)
}
