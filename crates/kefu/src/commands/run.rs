use std::path::Path;

use kefu_process::{crash, stop_on_signal};
use kefu_settings::{Settings, SettingsErrors};
use tracing::warn;

use crate::cli::Role;
use crate::commands::settings::{problems, warnings};
use crate::commands::start_telemetry;
use crate::roles::BothRoles;

pub(super) async fn run(config: Option<&Path>, roles: &[Role]) -> anyhow::Result<()> {
    let settings = Settings::load_to_check(config)?;
    crash::check(&[kefu_ingress::CRASH_POINTS, kefu_worker::CRASH_POINTS])?;
    // What `kefu settings --check` finds, all of it, before anything is opened or said.
    SettingsErrors::check(problems(&settings, roles))?;
    let has = |role| roles.is_empty() || roles.contains(&role);
    let (ingress, worker) = (has(Role::Ingress), has(Role::Worker));
    let name = match (ingress, worker) {
        (true, false) => "kefu-ingress",
        (false, true) => "kefu-worker",
        _ => "kefu",
    };
    let _telemetry = start_telemetry(name, &settings)?;
    for warning in warnings(&settings, roles) {
        warn!("{warning}");
    }
    let stop = stop_on_signal()?;
    match (ingress, worker) {
        (true, false) => kefu_ingress::run(&settings, stop).await,
        (false, true) => kefu_worker::run(&settings, stop).await,
        _ => BothRoles::bind(&settings).await?.run(stop).await,
    }
}
