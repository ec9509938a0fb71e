//! `kefu-worker`: the same as `kefu run worker`.

use std::process::ExitCode;

use kefu_process::{crash, run_process, stop_on_signal, telemetry};
use kefu_queue::Roles;
use kefu_settings::{Settings, SettingsErrors};
use kefu_worker::{CRASH_POINTS, problems, run, warnings};
use tracing::warn;

fn main() -> ExitCode {
    run_process("kefu-worker", || async {
        let settings = Settings::load_to_check(None)?;
        crash::check(&[CRASH_POINTS])?;
        SettingsErrors::check(problems(&settings, Roles::WorkerOnly))?;
        let _telemetry = telemetry::start("kefu-worker", &settings.section("log")?)?;
        for warning in warnings(&settings) {
            warn!("{warning}");
        }
        run(&settings, stop_on_signal()?).await
    })
}
