use std::path::Path;

use kefu_process::{ExitError, LogSettings};
use kefu_queue::{Queue, Roles};
use kefu_settings::REFERENCE;
use kefu_settings::Settings;

use crate::cli::{Role, SettingsArgs};
use crate::output;

pub(super) async fn run(config: Option<&Path>, args: &SettingsArgs) -> anyhow::Result<()> {
    if !args.check {
        return Ok(output::bytes(REFERENCE.as_bytes())?);
    }
    let settings = Settings::load(config)?;
    let has = |role| args.roles.is_empty() || args.roles.contains(&role);
    let _: LogSettings = settings.section("log")?;
    if has(Role::Ingress) {
        kefu_ingress::check(&settings)?;
    }
    if has(Role::Worker) {
        kefu_worker::check(&settings)?;
        for warning in kefu_worker::warnings(&settings)? {
            output::note(format_args!("kefu: warning: {warning}"))?;
        }
    }
    let roles = match (has(Role::Ingress), has(Role::Worker)) {
        (true, false) => Roles::IngressOnly,
        (false, true) => Roles::WorkerOnly,
        _ => Roles::Both,
    };
    Queue::check(&settings.section("queue")?, roles).map_err(|error| ExitError::refused_line(&error))?;
    let file = settings
        .file()
        .map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    Ok(output::line(format_args!(
        "settings are complete and well-formed ({file} and the environment)"
    ))?)
}
