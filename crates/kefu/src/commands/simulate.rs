//! `kefu simulate`: plays WeCom towards a Kefu that runs elsewhere.

use std::path::Path;
use std::time::Duration;

use kefu_process::{ExitError, stop_on_signal, supervise};
use kefu_settings::{Settings, SettingsError};
use kefu_simulator::{Credentials, Handle, Script, SimulatorSettings};
use kefu_wecom::AppSettings;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;

use super::demo::{play, show, verdict, warn_of_others};
use crate::cli::SimulateArgs;
use crate::commands::start_telemetry;
use crate::output;

const APP: &str = "default";
/// How long `--once` waits for a Kefu that is being started: as long as WeCom tries one callback.
const CALLED_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn run(config: Option<&Path>, args: &SimulateArgs) -> anyhow::Result<()> {
    check_callback(&args.callback)?;
    let settings = Settings::load(config)?;
    let credentials = credentials(&settings)?;
    if args.settings {
        return print_settings(args, &credentials);
    }
    let _telemetry = start_telemetry("kefu-simulate", &settings)?;
    let stop = stop_on_signal()?;
    let simulator_settings = SimulatorSettings {
        listen: args.listen,
        callback_url: Some(args.callback.clone()),
        credentials,
        page_size: args.page_size as usize,
        ..SimulatorSettings::default()
    };
    let simulator = kefu_simulator::start(simulator_settings, stop.clone()).await?;
    let handle = simulator.handle();
    output::note(format_args!(
        "Simulated WeCom at {}, callbacks to {}\nChat as a customer: {}",
        simulator.url(),
        args.callback,
        simulator.page_url()
    ))?;
    warn_of_others(args.listen)?;

    let mut tasks = JoinSet::new();
    tasks.spawn(simulator.run());
    let script = Script {
        customers: args.customers as usize,
        messages: args.messages as usize,
        pause: args.pause,
        ..Script::default()
    };
    let (once, json, script_stop) = (args.once, args.json, stop.clone());
    tasks.spawn(async move {
        let is_there = tokio::select! {
            () = script_stop.cancelled() => return Ok(()),
            is_there = is_called(&handle, once) => is_there,
        };
        is_there?;
        if 0 < script.messages {
            let report = play(&handle, &script, script_stop.clone()).await?;
            show(&report, json)?;
            if once {
                script_stop.cancel();
                return verdict(&report);
            }
        }
        script_stop.cancelled().await;
        Ok(())
    });
    supervise(tasks, stop).await
}

/// Nobody writes before somebody is there to be called: the two may be started in any order. The log and the
/// page say that it waits, and for whom.
async fn is_called(handle: &Handle, once: bool) -> Result<(), ExitError> {
    let within = if once { CALLED_WITHIN } else { Duration::MAX };
    if handle.callback_is_answered(within).await {
        return Ok(());
    }
    let trouble = handle.callback_trouble();
    let what = trouble.map_or_else(
        || "nobody is called".to_owned(),
        |trouble| format!("{}: {}", trouble.url, trouble.reason),
    );
    Err(ExitError::No(format!(
        "no message was sent, since nobody answered for {} s ({what})",
        CALLED_WITHIN.as_secs()
    )))
}

fn check_callback(url: &str) -> Result<(), ExitError> {
    let is_http = |url: reqwest::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match url.parse().is_ok_and(is_http) {
        true => Ok(()),
        false => Err(ExitError::refused(
            "--callback",
            format_args!("{url:?} is no http or https URL"),
        )),
    }
}

/// The app of the settings, so that simulator and Kefu share one file or environment; else demonstration values.
fn credentials(settings: &Settings) -> Result<Credentials, SettingsError> {
    let apps = settings.entries::<AppSettings>("apps")?;
    let Some(app) = apps.get(APP) else {
        return Ok(Credentials::default());
    };
    let needed = |key: &str, value: &Option<SecretString>| {
        value
            .clone()
            .ok_or_else(|| SettingsError::new(format!("apps.{APP}.{key}"), "is missing"))
    };
    Ok(Credentials {
        corp_id: app.corp_id.clone(),
        secret: needed("secret", &app.secret)?,
        token: needed("token", &app.token)?,
        encoding_aes_key: needed("encoding_aes_key", &app.encoding_aes_key)?,
        agent_id: app.agent_id.unwrap_or(Credentials::default().agent_id),
    })
}

fn print_settings(args: &SimulateArgs, credentials: &Credentials) -> anyhow::Result<()> {
    let base = format!("http://{}", args.listen);
    let lines = [
        ("KEFU_APPS__DEFAULT__CORP_ID", credentials.corp_id.as_str()),
        ("KEFU_APPS__DEFAULT__TOKEN", credentials.token.expose_secret()),
        (
            "KEFU_APPS__DEFAULT__ENCODING_AES_KEY",
            credentials.encoding_aes_key.expose_secret(),
        ),
        ("KEFU_APPS__DEFAULT__SECRET", credentials.secret.expose_secret()),
        ("KEFU_WECOM__API_BASE", &base),
        ("KEFU_AI__BASE_URL", &format!("{base}/v1")),
    ];
    for (name, value) in lines {
        output::line(format_args!("export {name}='{}'", value.replace('\'', "'\\''")))?;
    }
    Ok(())
}
