//! `kefu simulate`: plays WeCom towards a Kefu that runs elsewhere.

use std::path::Path;
use std::time::Duration;

use kefu_process::{ExitError, http, stop_on_signal, supervise};
use kefu_settings::{Problems, Settings, SettingsError, SettingsErrors};
use kefu_simulator::{Credentials, Fault, Handle, Script, SimulatorSettings, parse_callback_url};
use kefu_wecom::AppSettings;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;

use super::demo::{play, show, verdict, warn_of_others};
use crate::cli::SimulateArgs;
use crate::commands::start_telemetry;
use crate::output::{self, quoted};

const APP: &str = "default";
/// How long `--once` waits for a Kefu that is being started: as long as WeCom tries one callback.
const CALLED_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn run(config: Option<&Path>, args: &SimulateArgs) -> anyhow::Result<()> {
    parse_callback_url(&args.callback).map_err(|error| ExitError::refused("--callback", error))?;
    let faults = faults(&args.faults)?;
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
    for fault in faults {
        handle.set_fault(fault).map_err(refused_fault)?;
    }
    output::note(format_args!(
        "Simulated WeCom at {}, callbacks to {}\nChat as a customer: {}",
        simulator.url(),
        handle.callback_shown().unwrap_or_default(),
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
        // An empty script has an end like any other, and without --once only people in the browser write.
        if 0 < script.messages || once {
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

fn faults(texts: &[String]) -> Result<Vec<Fault>, ExitError> {
    let read = |text: &String| {
        let json = serde_json::from_str(text).map_err(|error| refused_fault(error.to_string()))?;
        Fault::parse(json).map_err(refused_fault)
    };
    texts.iter().map(read).collect()
}

fn refused_fault(problem: String) -> ExitError {
    ExitError::refused("--fault", problem)
}

/// The app of the settings, so that simulator and Kefu share one file or environment; else demonstration values.
fn credentials(settings: &Settings) -> Result<Credentials, SettingsErrors> {
    let mut apps = settings.entries::<AppSettings>("apps")?;
    let Some(mut app) = apps.remove(APP) else {
        return Ok(Credentials::default());
    };
    // WeCom seals with the key in use, and knows nothing of what else Kefu accepts.
    (app.previous, app.receive_ids) = (None, None);
    let within = |error: SettingsError| error.within(&format!("apps.{APP}"));
    let mut problems = Problems::of(settings);
    problems.note_all(app.callback_problems().into_iter().map(within));
    problems.add(app.credentials(APP).map_err(within));
    SettingsErrors::check(problems.finish())?;
    let given = |key: &str, value: Option<SecretString>| {
        value.ok_or_else(|| within(SettingsError::new(key, "is missing")))
    };
    Ok(Credentials {
        corp_id: app.corp_id.trim().to_owned(),
        secret: given("secret", app.secret)?,
        token: given("token", app.token)?,
        encoding_aes_key: given("encoding_aes_key", app.encoding_aes_key)?,
        agent_id: app.agent_id.unwrap_or(Credentials::default().agent_id),
    })
}

fn print_settings(args: &SimulateArgs, credentials: &Credentials) -> anyhow::Result<()> {
    if args.listen.port() == 0 {
        let what = "a free port is known only once it is taken; name one for --settings";
        return Err(ExitError::refused("--listen", what).into());
    }
    let base = format!("http://{}", http::reachable(args.listen));
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
        output::line(format_args!("export {name}={}", quoted(value)))?;
    }
    Ok(())
}
