//! `kefu demo`: the whole of Kefu in one process on embedded engines, against the simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kefu_domain::counted;
use kefu_process::{ExitError, stop_on_signal, supervise};
use kefu_settings::Settings;
use kefu_simulator::{Credentials, Handle, Report, Script, Simulator, SimulatorSettings};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::DemoArgs;
use crate::commands::start_telemetry;
use crate::output;
use crate::progress::Bar;
use crate::roles::BothRoles;

/// Small pages, some of them empty, so that even a short script is pulled over several.
const PAGE_SIZE: usize = 25;
const EMPTY_PAGE_EVERY: u64 = 4;
/// Longer than the merge window, so that customers come back to a conversation that was answered.
const BURST_PAUSE: Duration = Duration::from_millis(1200);
const FREE_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(super) async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let level = if args.verbose { "info" } else { "warn" };
    let settings = Settings::reference_only()?.with("log.level", level);
    let _telemetry = start_telemetry("kefu-demo", &settings)?;
    // A folder of its own, gone at the end: no run meets the data of another.
    let folder = tempfile::tempdir().context("no temporary folder for the demo")?;
    let stop = stop_on_signal()?;

    // The simulator ends after the roles: replies in flight still arrive.
    let simulator_stop = CancellationToken::new();
    let simulator = simulator(args.listen, simulator_stop.clone()).await?;
    warn_of_others(args.listen)?;
    let settings = demo_settings(settings, &simulator, folder.path());
    let roles = BothRoles::bind(&settings).await?;
    simulator.set_callback_url(&format!("http://{}/callback", roles.callback_address()?))?;
    let page = simulator.page_url();
    let handle = simulator.handle();

    let mut tasks = JoinSet::new();
    tasks.spawn(simulator.run());
    let roles_stop = stop.clone();
    tasks.spawn(async move {
        let outcome = roles.run(roles_stop).await;
        simulator_stop.cancel();
        outcome
    });
    let (args_once, script, script_stop) = (args.once, script(args), stop.clone());
    let json = args.json;
    tasks.spawn(async move {
        let report = play(&handle, &script, script_stop.clone()).await?;
        show(&report, json)?;
        if args_once {
            script_stop.cancel();
            return verdict(&report);
        }
        output::note(format_args!(
            "\nChat as a customer: {page}\nCtrl-C ends the demo."
        ))?;
        script_stop.cancelled().await;
        Ok(())
    });
    supervise(tasks, stop).await
}

async fn simulator(listen: SocketAddr, stop: CancellationToken) -> anyhow::Result<Simulator> {
    let settings = SimulatorSettings {
        listen,
        page_size: PAGE_SIZE,
        empty_page_every: Some(EMPTY_PAGE_EVERY),
        ..SimulatorSettings::default()
    };
    kefu_simulator::start(settings, stop).await
}

/// The simulator asks nobody who they are.
pub(crate) fn warn_of_others(listen: SocketAddr) -> anyhow::Result<()> {
    if !listen.ip().to_canonical().is_loopback() {
        output::note(format_args!(
            "Anyone who reaches {listen} can play customers, agents and the clock here."
        ))?;
    }
    Ok(())
}

/// The settings of a Kefu that talks to this simulator and to nothing else.
fn demo_settings(settings: Settings, simulator: &Simulator, folder: &Path) -> Settings {
    let settings = app_settings(settings, &simulator.credentials());
    settings
        .with(
            "queue.url",
            format_args!("sqlite:{}", folder.join("queue.db").display()),
        )
        .with("queue.spool", folder.join("spool").display())
        .with(
            "database.url",
            format_args!("sqlite:{}", folder.join("kefu.db").display()),
        )
        .with("state.url", "memory:")
        .with("ingress.listen", FREE_PORT)
        .with("worker.listen", FREE_PORT)
        .with("wecom.api_base", simulator.url())
        .with("ai.base_url", simulator.model_url())
}

/// `apps.default` as the simulated corp has it.
pub(crate) fn app_settings(settings: Settings, credentials: &Credentials) -> Settings {
    settings
        .with("apps.default.corp_id", &credentials.corp_id)
        .with("apps.default.token", credentials.token.expose_secret())
        .with(
            "apps.default.encoding_aes_key",
            credentials.encoding_aes_key.expose_secret(),
        )
        .with("apps.default.secret", credentials.secret.expose_secret())
}

fn script(args: &DemoArgs) -> Script {
    Script {
        customers: args.customers as usize,
        messages: args.messages as usize,
        pause: BURST_PAUSE,
        ..Script::default()
    }
}

/// Plays a script with a progress bar where there is a terminal.
pub(crate) async fn play(
    handle: &Handle,
    script: &Script,
    stop: CancellationToken,
) -> anyhow::Result<Report> {
    let bar = Bar::new(script.messages as u64);
    let report = kefu_simulator::play(handle, script, |progress| bar.show(progress), stop).await;
    bar.clear();
    Ok(report?)
}

pub(crate) fn show(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(report);
    }
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} ms"));
    output::line(format_args!(
        "{} wrote {}: {} answered, {} lost, {} answered twice\n\
         callbacks answered: p50 {}, p99 {}\n\
         from message to reply: p50 {}, p99 {}\n\
         {} sent over {}",
        counted(report.customers, "customer"),
        counted(report.messages, "message"),
        report.answered,
        report.lost,
        report.duplicated,
        ms(report.callback_p50_ms),
        ms(report.callback_p99_ms),
        ms(report.reply_p50_ms),
        ms(report.reply_p99_ms),
        counted(report.sends, "reply"),
        counted(report.sync_calls, "pull"),
    ))?;
    Ok(())
}

/// The answer is no when anything was lost, doubled, or said to the wrong customer.
pub(crate) fn verdict(report: &Report) -> anyhow::Result<()> {
    if report.lost == 0 && report.duplicated == 0 && report.misdirected == 0 {
        return Ok(());
    }
    let finding = format!(
        "{} lost, {} answered twice, {} answered to the wrong customer",
        counted(report.lost, "message"),
        report.duplicated,
        report.misdirected
    );
    Err(ExitError::No(finding).into())
}
