//! `kefu settings`: the reference, what is wrong with one's own, and what is in force.

use std::net::SocketAddr;
use std::path::Path;

use kefu_process::{ExitError, LogSettings, telemetry, tls};
use kefu_queue::{Queue, QueueSettings, Roles};
use kefu_settings::{Problems, REFERENCE, REFERENCE_ZH, Settings, SettingsError, SettingsErrors, Shown};
use kefu_worker::{Trial, Trouble};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{Language, Role, SettingsArgs};
use crate::output;

pub(super) async fn run(config: Option<&Path>, args: &SettingsArgs) -> anyhow::Result<()> {
    if args.effective {
        return effective(&Settings::load_to_check(config)?, args.json);
    }
    if !args.check {
        let idle = [("--config", config.is_some()), ("--json", args.json)];
        if let Some((option, _)) = idle.into_iter().find(|(_, given)| *given) {
            let error = "is for --check and --effective; the reference is the same everywhere";
            return Err(ExitError::refused(option, error).into());
        }
        let reference = match args.language {
            Language::En => REFERENCE,
            Language::Zh => REFERENCE_ZH,
        };
        return Ok(output::bytes(reference.as_bytes())?);
    }
    let settings = Settings::load_to_check(config)?;
    let found = problems(&settings, &args.roles);
    let warned = warnings(&settings, &args.roles);
    if args.json {
        let list = |errors: &[SettingsError]| -> Vec<Value> { errors.iter().map(as_json).collect() };
        output::json(&json!({ "problems": list(&found), "warnings": list(&warned) }))?;
        return match found.is_empty() {
            true => Ok(()),
            false => Err(ExitError::No(String::new()).into()),
        };
    }
    for warning in &warned {
        output::note(format_args!("kefu: warning: {warning}"))?;
    }
    SettingsErrors::check(found)?;
    let file = settings.file().map_or_else(
        || "no settings file".to_owned(),
        |file| kefu_settings::absolute(file).display().to_string(),
    );
    output::line(format_args!(
        "settings are complete and well-formed ({file}; environment)"
    ))?;
    match args.connect {
        true => connect(&settings, &args.roles).await,
        false => Ok(()),
    }
}

/// One line a service; a refusal weighs more than one that does not answer.
async fn connect(settings: &Settings, roles: &[Role]) -> anyhow::Result<()> {
    let mut trials = vec![Trial {
        service: "queue".to_owned(),
        outcome: queue(settings, roles).await?,
    }];
    if roles.is_empty() || roles.contains(&Role::Worker) {
        trials.extend(kefu_worker::try_services(settings).await?);
    }
    let (mut refused, mut away) = (Vec::new(), None);
    for Trial { service, outcome } in trials {
        match outcome {
            Ok(said) => output::line(format_args!("{service}: {said}"))?,
            Err(Trouble::Refused(error)) => refused.push(settings.placed(error)),
            Err(Trouble::Away(error)) => {
                output::line(format_args!("{service}: does not answer"))?;
                away = away.or(Some(error));
            }
        }
    }
    SettingsErrors::check(refused)?;
    away.map_or(Ok(()), |error| Err(ExitError::Away(error).into()))
}

async fn queue(settings: &Settings, roles: &[Role]) -> anyhow::Result<Result<String, Trouble>> {
    let section: QueueSettings = settings.section("queue")?;
    if section.is_embedded() {
        return Ok(Ok("is a file of this process".to_owned()));
    }
    let tls =
        tls::client_config_if(section.needs_tls()).map_err(|error| ExitError::refused("queue.url", error))?;
    let visited = Queue::visit(&section, queue_roles(roles), Some(tls)).await;
    Ok(visited.map(|()| "answers".to_owned()).map_err(|error| {
        let text = error.to_string();
        let text = text.strip_prefix("queue.url: ").unwrap_or(&text);
        let told = SettingsError::new("queue.url", text);
        match error.is_refusal() {
            true => Trouble::Refused(told),
            false => Trouble::Away(told),
        }
    }))
}

fn queue_roles(roles: &[Role]) -> Roles {
    let has = |role| roles.is_empty() || roles.contains(&role);
    match (has(Role::Ingress), has(Role::Worker)) {
        (true, false) => Roles::IngressOnly,
        (false, true) => Roles::WorkerOnly,
        _ => Roles::Both,
    }
}

/// Everything that a start with these roles would refuse, and that can be known without starting.
pub(super) fn problems(settings: &Settings, roles: &[Role]) -> Vec<SettingsError> {
    let has = |role| roles.is_empty() || roles.contains(&role);
    let (ingress, worker) = (has(Role::Ingress), has(Role::Worker));
    let mut problems = Problems::of(settings);
    if let Some(log) = problems.section::<LogSettings>("log") {
        problems.add(telemetry::check(&log));
    }
    if ingress {
        problems.note_all(kefu_ingress::problems(settings));
    }
    if worker {
        problems.note_all(kefu_worker::problems(settings));
    }
    if let Ok(queue) = settings.section::<QueueSettings>("queue") {
        let checked = Queue::check(&queue, queue_roles(roles));
        problems.add(checked.map_err(|error| match ExitError::refused_line(&error) {
            ExitError::Refused(error) => error,
            other => SettingsError::new("queue.url", other.to_string()),
        }));
    }
    problems.note_all(same_ports(settings, ingress, worker));
    problems.finish()
}

/// What may be right and is probably not.
pub(super) fn warnings(settings: &Settings, roles: &[Role]) -> Vec<SettingsError> {
    let has = |role| roles.is_empty() || roles.contains(&role);
    let mut warnings = Problems::of(settings);
    if has(Role::Ingress) {
        warnings.note_all(kefu_ingress::warnings(settings));
    }
    if has(Role::Worker) {
        warnings.note_all(kefu_worker::warnings(settings));
    }
    warnings.finish()
}

/// Addresses of one process that cannot both be taken.
fn same_ports(settings: &Settings, ingress: bool, worker: bool) -> Vec<SettingsError> {
    #[derive(Deserialize)]
    struct Listens {
        listen: Option<SocketAddr>,
        ops_listen: Option<SocketAddr>,
    }
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    let mut found = Vec::new();
    for (role, runs) in [("ingress", ingress), ("worker", worker)] {
        let Ok(listens) = settings.section::<Listens>(role) else {
            continue;
        };
        let both = [("listen", listens.listen), ("ops_listen", listens.ops_listen)];
        for (name, address) in both.into_iter().filter(|_| runs) {
            let Some(address) = address.filter(|address| address.port() != 0) else {
                continue;
            };
            let key = match (role, name) {
                ("ingress", "listen") => "ingress.listen",
                ("ingress", _) => "ingress.ops_listen",
                _ => "worker.listen",
            };
            let meets = |other: &SocketAddr| {
                other.port() == address.port()
                    && (other.ip() == address.ip()
                        || other.ip().is_unspecified()
                        || address.ip().is_unspecified())
            };
            match taken.iter().find(|(_, other)| meets(other)) {
                Some((other, _)) => {
                    let problem = format!("{address} is that of {other} as well; give it another port");
                    found.push(SettingsError::new(key, problem));
                }
                None => taken.push((key, address)),
            }
        }
    }
    found
}

fn effective(settings: &Settings, is_json: bool) -> anyhow::Result<()> {
    for value in settings.effective() {
        let origin = value.origin.to_string();
        if is_json {
            let (name, text) = match &value.value {
                Shown::Value(text) => ("value", Value::from(text.as_str())),
                Shown::Secret => ("secret", Value::Bool(true)),
                Shown::File(path) => ("file", Value::from(path.as_str())),
            };
            output::json(&json!({ "key": value.key, name: text, "origin": origin }))?;
            continue;
        }
        let text = match &value.value {
            Shown::Value(text) => format!("{text:?}"),
            Shown::Secret => "[set]".to_owned(),
            Shown::File(path) => format!("[in {path}]"),
        };
        output::line(format_args!("{} = {text}  # {origin}", value.key))?;
    }
    Ok(())
}

fn as_json(error: &SettingsError) -> Value {
    let origin = error.origin().map(ToString::to_string);
    json!({ "key": error.key(), "problem": error.problem(), "origin": origin })
}
