//! `kefu bench end-to-end`: from the callback to the visible reply, on the engines of the settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kefu_domain::counted;
use kefu_process::supervise;
use kefu_settings::Settings;
use kefu_simulator::{Handle, Script, Simulator, SimulatorSettings};
use kefu_store::{DatabaseSettings, Scratch};
use kefu_worker::open_queue;
use secrecy::ExposeSecret;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::own_prefix;
use crate::cli::BenchEndToEndArgs;
use crate::commands::demo::{app_settings, verdict};
use crate::commands::start_telemetry;
use crate::commands::store::explained;
use crate::output;
use crate::progress::Bar;
use crate::roles::BothRoles;

const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[derive(Serialize)]
struct Outcome {
    customers: u64,
    messages: u64,
    /// From the first message sent to the last one answered.
    seconds: f64,
    messages_per_second: f64,
    /// Fewer than messages: a turn answers all that a customer has said.
    replies_per_second: f64,
    lost: u64,
    duplicated: u64,
    callback_p99_ms: Option<f64>,
    reply_p50_ms: Option<f64>,
    reply_p99_ms: Option<f64>,
}

pub(crate) async fn run(config: Option<&Path>, args: &BenchEndToEndArgs) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder for the bench")?;
    let (settings, prefix) = own_prefix(Settings::load(config)?);
    let settings = settings.with("log.level", "warn");
    let _telemetry = start_telemetry("kefu-bench", &settings)?;
    let database: DatabaseSettings = settings.section("database")?;
    let scratch = Scratch::create(&database, &prefix, folder.path())
        .await
        .map_err(explained)?;
    let simulator_stop = CancellationToken::new();
    let simulator = kefu_simulator::start(
        SimulatorSettings {
            listen: FREE_PORT,
            sync_without_token_per_minute: u32::MAX,
            ..Default::default()
        },
        simulator_stop.clone(),
    )
    .await?;
    let settings = bench_settings(settings, &simulator, folder.path(), scratch.url().expose_secret())?;
    let outcome = measure(&settings, args, simulator, simulator_stop).await;
    scratch.remove().await?;
    let (queue, _driver) = open_queue(&settings, kefu_queue::Roles::Both).await?;
    queue.delete().await?;
    show(&outcome?, args.json)
}

fn bench_settings(
    settings: Settings,
    simulator: &Simulator,
    folder: &Path,
    database_url: &str,
) -> anyhow::Result<Settings> {
    let queue: kefu_queue::QueueSettings = settings.section("queue")?;
    let settings = app_settings(settings, &simulator.credentials())
        .with("database.url", database_url)
        .with("queue.spool", folder.join("spool").display())
        .with("conversation.merge_window", "0s")
        .with("ingress.listen", FREE_PORT)
        .with("ingress.path", "/callback")
        .with("worker.listen", FREE_PORT)
        .with("wecom.api_base", simulator.url())
        .with("ai.base_url", simulator.model_url());
    Ok(match queue.is_embedded() {
        true => settings.with(
            "queue.url",
            format_args!("sqlite:{}", folder.join("queue.db").display()),
        ),
        false => settings,
    })
}

async fn measure(
    settings: &Settings,
    args: &BenchEndToEndArgs,
    simulator: Simulator,
    simulator_stop: CancellationToken,
) -> anyhow::Result<Outcome> {
    let stop = CancellationToken::new();
    let roles = BothRoles::bind(settings).await?;
    simulator.set_callback_url(&format!("http://{}/callback", roles.callback_address()?))?;
    let handle = simulator.handle();
    let mut tasks = JoinSet::new();
    tasks.spawn(simulator.run());
    let roles_stop = stop.clone();
    tasks.spawn(async move {
        let outcome = roles.run(roles_stop).await;
        simulator_stop.cancel();
        outcome
    });
    let script = Script {
        customers: args.customers as usize,
        messages: args.messages as usize,
        burst_max: 1,
        pause: Duration::ZERO,
        ..Script::default()
    };
    let played = tokio::select! {
        played = play(&handle, &script, stop.clone()) => played,
        ended = tasks.join_next() => {
            ended.context("nothing runs")?.context("a task panicked")??;
            Err(anyhow::anyhow!("a role ended during the bench"))
        }
    };
    stop.cancel();
    supervise(tasks, stop).await?;
    played
}

async fn play(handle: &Handle, script: &Script, stop: CancellationToken) -> anyhow::Result<Outcome> {
    let bar = Bar::new(script.messages as u64);
    let mut elapsed = Duration::ZERO;
    let show = |progress: &kefu_simulator::Progress| {
        if progress.answered < progress.messages {
            elapsed = progress.elapsed;
        }
        bar.show(progress);
    };
    let report = kefu_simulator::play(handle, script, show, stop).await?;
    bar.clear();
    verdict(&report)?;
    let seconds = elapsed.as_secs_f64().max(f64::EPSILON);
    Ok(Outcome {
        customers: report.customers,
        messages: report.messages,
        seconds,
        messages_per_second: report.answered as f64 / seconds,
        replies_per_second: report.sends as f64 / seconds,
        lost: report.lost,
        duplicated: report.duplicated,
        callback_p99_ms: report.callback_p99_ms,
        reply_p50_ms: report.reply_p50_ms,
        reply_p99_ms: report.reply_p99_ms,
    })
}

fn show(outcome: &Outcome, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(outcome);
    }
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} ms"));
    output::line(format_args!(
        "{} of {} in {:.1} s: {:.0} messages/s, {:.0} replies/s; {} lost, {} answered twice\n\
         callbacks: p99 {}   replies: p50 {}, p99 {}",
        counted(outcome.messages, "message"),
        counted(outcome.customers, "customer"),
        outcome.seconds,
        outcome.messages_per_second,
        outcome.replies_per_second,
        outcome.lost,
        outcome.duplicated,
        ms(outcome.callback_p99_ms),
        ms(outcome.reply_p50_ms),
        ms(outcome.reply_p99_ms),
    ))?;
    Ok(())
}
