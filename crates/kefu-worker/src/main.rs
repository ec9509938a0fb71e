//! `kefu-worker`: the same as `kefu run worker`.

use std::process::ExitCode;

use kefu_process::{run_process, stop_on_signal, telemetry};
use kefu_settings::Settings;

fn main() -> ExitCode {
    run_process("kefu-worker", || async {
        let settings = Settings::load(None)?;
        let _telemetry = telemetry::start("kefu-worker", &settings.section("log")?)?;
        kefu_worker::run(&settings, stop_on_signal()?).await
    })
}
