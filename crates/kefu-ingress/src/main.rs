//! `kefu-ingress`: the same as `kefu run ingress`.

use std::process::ExitCode;

use kefu_ingress::{CRASH_POINTS, problems, run, warnings};
use kefu_process::{crash, run_process, stop_on_signal, telemetry};
use kefu_queue::Roles;
use kefu_settings::{Settings, SettingsErrors};
use tracing::warn;

fn main() -> ExitCode {
    run_process("kefu-ingress", || async {
        let settings = Settings::load_to_check(None)?;
        crash::check(&[CRASH_POINTS])?;
        SettingsErrors::check(problems(&settings, Roles::IngressOnly))?;
        let _telemetry = telemetry::start("kefu-ingress", &settings.section("log")?)?;
        for warning in warnings(&settings) {
            warn!("{warning}");
        }
        run(&settings, stop_on_signal()?).await
    })
}
