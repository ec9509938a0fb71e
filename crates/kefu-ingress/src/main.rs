//! `kefu-ingress`: the same as `kefu run ingress`.

use std::process::ExitCode;

use kefu_process::{run_process, stop_on_signal, telemetry};
use kefu_settings::Settings;

fn main() -> ExitCode {
    run_process("kefu-ingress", || async {
        let settings = Settings::load(None)?;
        let _telemetry = telemetry::start("kefu-ingress", &settings.section("log")?)?;
        kefu_ingress::run(&settings, stop_on_signal()?).await
    })
}
