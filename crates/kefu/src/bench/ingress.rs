//! `kefu bench ingress`: what checking, decrypting and queueing costs beside queueing alone.

use std::path::Path;

use anyhow::Context;
use kefu_process::tls;
use kefu_queue::Roles;
use kefu_settings::Settings;
use kefu_simulator::Credentials;
use kefu_wecom::CallbackKey;
use kefu_worker::open_queue;
use reqwest::Client;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::load::{Round, callbacks, post_all};
use super::process::{Measured, free_address};
use super::{median, needs_broker, own_prefix};
use crate::cli::BenchIngressArgs;
use crate::commands::start_telemetry;
use crate::output;

#[derive(Serialize)]
struct Outcome {
    callbacks_per_round: u32,
    rounds: u32,
    connections: u32,
    /// Medians over the rounds.
    ingress_per_second: f64,
    ingress_p50_ms: f64,
    ingress_p99_ms: f64,
    bare_per_second: f64,
    bare_p50_ms: f64,
    bare_p99_ms: f64,
    /// Median of the rounds' ratios, ingress to bare handler.
    ratio: f64,
    /// Most memory the ingress process held.
    ingress_memory_mib: Option<f64>,
}

pub(crate) async fn run(config: Option<&Path>, args: &BenchIngressArgs) -> anyhow::Result<()> {
    let (settings, prefix) = own_prefix(Settings::load(config)?);
    needs_broker(&settings)?;
    let _telemetry = start_telemetry("kefu-bench", &settings)?;
    let credentials = Credentials::default();
    let client = Client::builder()
        .tls_backend_preconfigured(tls::client_config_if(false)?)
        .no_proxy()
        .pool_max_idle_per_host(args.connections as usize)
        .build()?;

    let folder = tempfile::tempdir().context("no temporary folder for the spool")?;
    let ingress = start_ingress(&client, config, &prefix, folder.path(), &credentials).await?;
    let bare = start_bare(&client, config, &prefix).await?;
    let outcome = measure(&client, args, &credentials, &ingress, &bare).await;
    ingress.end().await?;
    bare.end().await?;
    delete_queues(&settings).await?;
    show(&outcome?, args.json)
}

async fn start_ingress(
    client: &Client,
    config: Option<&Path>,
    prefix: &str,
    spool: &Path,
    credentials: &Credentials,
) -> anyhow::Result<Measured> {
    let address = free_address()?;
    let environment = [
        ("KEFU_QUEUE__PREFIX", prefix.to_owned()),
        ("KEFU_QUEUE__SPOOL", spool.display().to_string()),
        ("KEFU_INGRESS__LISTEN", address.to_string()),
        ("KEFU_INGRESS__PATH", "/callback".to_owned()),
        ("KEFU_LOG__LEVEL", "warn".to_owned()),
        ("KEFU_APPS__DEFAULT__CORP_ID", credentials.corp_id.clone()),
        (
            "KEFU_APPS__DEFAULT__TOKEN",
            credentials.token.expose_secret().to_owned(),
        ),
        (
            "KEFU_APPS__DEFAULT__ENCODING_AES_KEY",
            credentials.encoding_aes_key.expose_secret().to_owned(),
        ),
    ];
    Measured::start(
        client,
        address,
        &with_config(config, &["run", "ingress"]),
        &environment,
    )
    .await
}

async fn start_bare(client: &Client, config: Option<&Path>, prefix: &str) -> anyhow::Result<Measured> {
    let address = free_address()?;
    let environment = [
        ("KEFU_QUEUE__PREFIX", prefix.to_owned()),
        ("KEFU_LOG__LEVEL", "warn".to_owned()),
    ];
    let listen = address.to_string();
    let args = ["bench", "bare-handler", "--listen", &listen];
    Measured::start(client, address, &with_config(config, &args), &environment).await
}

fn with_config<'a>(config: Option<&'a Path>, args: &[&'a str]) -> Vec<&'a str> {
    let config = config.and_then(Path::to_str).map(|path| ["--config", path]);
    args.iter().copied().chain(config.into_iter().flatten()).collect()
}

/// Both in turns, so that drift of the machine meets both.
async fn measure(
    client: &Client,
    args: &BenchIngressArgs,
    credentials: &Credentials,
    ingress: &Measured,
    bare: &Measured,
) -> anyhow::Result<Outcome> {
    let key = CallbackKey::new(&credentials.token, &credentials.encoding_aes_key)?;
    let url = |measured: &Measured| format!("http://{}/callback", measured.address);
    let prepare = |count| callbacks(&key, &credentials.corp_id, count);
    for measured in [ingress, bare] {
        post_all(
            client,
            &url(measured),
            &prepare(args.callbacks / 10 + 1),
            args.connections,
        )
        .await?;
    }
    let (mut ours, mut theirs): (Vec<Round>, Vec<Round>) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        ours.push(post_all(client, &url(ingress), &prepare(args.callbacks), args.connections).await?);
        theirs.push(post_all(client, &url(bare), &prepare(args.callbacks), args.connections).await?);
    }
    let of =
        |rounds: &[Round], value: fn(&Round) -> f64| median(&rounds.iter().map(value).collect::<Vec<_>>());
    let ratios: Vec<f64> = ours
        .iter()
        .zip(&theirs)
        .map(|(our, their)| our.per_second / their.per_second)
        .collect();
    Ok(Outcome {
        callbacks_per_round: args.callbacks,
        rounds: args.rounds,
        connections: args.connections,
        ingress_per_second: of(&ours, |round| round.per_second),
        ingress_p50_ms: of(&ours, |round| round.p50_ms),
        ingress_p99_ms: of(&ours, |round| round.p99_ms),
        bare_per_second: of(&theirs, |round| round.per_second),
        bare_p50_ms: of(&theirs, |round| round.p50_ms),
        bare_p99_ms: of(&theirs, |round| round.p99_ms),
        ratio: median(&ratios),
        ingress_memory_mib: ingress.memory_peak_mib(),
    })
}

async fn delete_queues(settings: &Settings) -> anyhow::Result<()> {
    let (queue, _driver) = open_queue(settings, Roles::Both).await?;
    Ok(queue.delete().await?)
}

fn show(outcome: &Outcome, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(outcome);
    }
    let memory = outcome
        .ingress_memory_mib
        .map_or_else(|| "?".to_owned(), |mib| format!("{mib:.0}"));
    output::line(format_args!(
        "ingress       {:>8.0} callbacks/s  p50 {:.1} ms  p99 {:.1} ms  {memory} MiB at most\n\
         bare handler  {:>8.0} callbacks/s  p50 {:.1} ms  p99 {:.1} ms\n\
         ratio         {:>8.2}",
        outcome.ingress_per_second,
        outcome.ingress_p50_ms,
        outcome.ingress_p99_ms,
        outcome.bare_per_second,
        outcome.bare_p50_ms,
        outcome.bare_p99_ms,
        outcome.ratio,
    ))?;
    Ok(())
}
