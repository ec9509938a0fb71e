//! `kefu settings`: the reference, what is wrong with one's own, and what is in force.

use std::net::SocketAddr;
use std::path::Path;

use kefu_process::{ExitError, http, tls};
use kefu_queue::{Queue, QueueSettings, Roles};
use kefu_settings::{Problems, REFERENCE, REFERENCE_ZH, Settings, SettingsError, SettingsErrors, Shown};
use kefu_store::DatabaseSettings;
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
        let reference = match args.language.unwrap_or(Language::En) {
            Language::En => REFERENCE,
            Language::Zh => REFERENCE_ZH,
        };
        return Ok(output::bytes(reference.as_bytes())?);
    }
    let settings = Settings::load_to_check(config)?;
    let found = problems(&settings, &args.roles);
    let warned = warnings(&settings, &args.roles);
    if args.json {
        return as_one_object(&settings, args, found, &warned).await;
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

/// What there is to say, as one JSON object; the services are asked only if nothing is wrong before.
async fn as_one_object(
    settings: &Settings,
    args: &SettingsArgs,
    found: Vec<SettingsError>,
    warned: &[SettingsError],
) -> anyhow::Result<()> {
    let list = |errors: &[SettingsError]| -> Vec<Value> { errors.iter().map(as_json).collect() };
    let mut object = json!({ "problems": list(&found), "warnings": list(warned) });
    let mut verdict = Verdict::default();
    if args.connect && found.is_empty() {
        let services = trials(settings, &args.roles).await?.into_iter().map(|trial| {
            let (outcome, said) = match &trial.outcome {
                Ok(said) => ("answers", Value::from(said.as_str())),
                Err(Trouble::Refused(error)) => ("refuses", as_json(error)),
                Err(Trouble::Away(error)) => ("away", as_json(error)),
            };
            let line = json!({ "service": trial.service, "outcome": outcome, "said": said });
            verdict.note(settings, trial.outcome);
            line
        });
        object["services"] = services.collect();
    }
    output::json(&object)?;
    SettingsErrors::check(found)?;
    verdict.end()
}

/// One line a service.
async fn connect(settings: &Settings, roles: &[Role]) -> anyhow::Result<()> {
    let mut verdict = Verdict::default();
    for Trial { service, outcome } in trials(settings, roles).await? {
        match &outcome {
            Ok(said) => output::line(format_args!("{service}: {said}"))?,
            Err(Trouble::Away(_)) => output::line(format_args!("{service}: does not answer"))?,
            Err(Trouble::Refused(_)) => (),
        }
        verdict.note(settings, outcome);
    }
    verdict.end()
}

/// A refusal weighs more than a service that does not answer.
#[derive(Default)]
struct Verdict {
    refused: Vec<SettingsError>,
    away: Option<SettingsError>,
}

impl Verdict {
    fn note(&mut self, settings: &Settings, outcome: Result<String, Trouble>) {
        match outcome {
            Ok(_) => (),
            Err(Trouble::Refused(error)) => self.refused.push(settings.placed(error)),
            Err(Trouble::Away(error)) => self.away = self.away.take().or(Some(error)),
        }
    }

    fn end(self) -> anyhow::Result<()> {
        SettingsErrors::check(self.refused)?;
        self.away
            .map_or(Ok(()), |error| Err(ExitError::Away(error).into()))
    }
}

async fn trials(settings: &Settings, roles: &[Role]) -> anyhow::Result<Vec<Trial>> {
    let mut trials = vec![Trial {
        service: "queue".to_owned(),
        outcome: queue(settings, roles).await?,
    }];
    if roles.is_empty() || roles.contains(&Role::Worker) {
        trials.extend(kefu_worker::try_services(settings).await?);
    }
    Ok(trials)
}

async fn queue(settings: &Settings, roles: &[Role]) -> anyhow::Result<Result<String, Trouble>> {
    let section: QueueSettings = settings.section("queue")?;
    if section.is_embedded() {
        return Ok(Ok("is a file of this process".to_owned()));
    }
    let tls =
        tls::client_config_if(section.needs_tls()).map_err(|error| ExitError::refused("queue.url", error))?;
    let visited = Queue::visit(&section, queue_roles(roles), Some(tls)).await;
    Ok(visited
        .map(|()| "answers".to_owned())
        .map_err(|error| match error.refusal() {
            Some(refusal) => Trouble::Refused(refusal),
            None => Trouble::Away(SettingsError::new("queue.url", error.to_string())),
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
    let queue_roles = queue_roles(roles);
    let mut problems = Problems::of(settings);
    if has(Role::Ingress) {
        problems.note_all(kefu_ingress::problems(settings, queue_roles));
    }
    if has(Role::Worker) {
        problems.note_all(kefu_worker::problems(settings, queue_roles));
    }
    if queue_roles == Roles::Both {
        problems.note_all(http::clashes(&addresses(settings)));
    }
    problems.finish()
}

/// Where both roles listen, as far as that can be read.
fn addresses(settings: &Settings) -> Vec<(&'static str, SocketAddr)> {
    #[derive(Deserialize)]
    struct Listens {
        listen: SocketAddr,
        ops_listen: Option<SocketAddr>,
    }
    let mut addresses = Vec::new();
    if let Ok(ingress) = settings.section::<Listens>("ingress") {
        addresses.push(("ingress.listen", ingress.listen));
        addresses.extend(ingress.ops_listen.map(|ops| ("ingress.ops_listen", ops)));
    }
    if let Ok(worker) = settings.section::<Listens>("worker") {
        addresses.push(("worker.listen", worker.listen));
    }
    addresses
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

fn effective(settings: &Settings, is_json: bool) -> anyhow::Result<()> {
    let places = places(settings);
    for value in settings.effective() {
        let origin = value.origin.to_string();
        // Relative ones are relative to the folder in which Kefu is started, hence to this one.
        let place = places
            .iter()
            .find(|(key, _)| *key == value.key)
            .map(|(_, path)| path.as_str());
        if is_json {
            let (name, text) = match &value.value {
                Shown::Value(text) => ("value", Value::from(text.as_str())),
                Shown::Secret => ("secret", Value::Bool(true)),
                Shown::File(path) => ("file", Value::from(path.as_str())),
            };
            let mut line = json!({ "key": value.key, name: text, "origin": origin });
            if let Some(place) = place {
                line["place"] = Value::from(place);
            }
            output::json(&line)?;
            continue;
        }
        let text = match &value.value {
            Shown::Value(text) => format!("{text:?}"),
            Shown::Secret => "[set]".to_owned(),
            Shown::File(path) => format!("[in {path}]"),
        };
        let place = place.map(|place| format!("; {place}")).unwrap_or_default();
        output::line(format_args!("{} = {text}  # {origin}{place}", value.key))?;
    }
    Ok(())
}

/// The files and folders of data, whole.
fn places(settings: &Settings) -> Vec<(&'static str, String)> {
    let whole = |path: &Path| kefu_settings::absolute(path).display().to_string();
    let mut places = Vec::new();
    if let Ok(queue) = settings.section::<QueueSettings>("queue") {
        places.extend(queue.places().into_iter().map(|(key, path)| (key, whole(path))));
    }
    if let Ok(database) = settings.section::<DatabaseSettings>("database") {
        places.extend(database.file().map(|path| ("database.url", whole(path))));
    }
    places
}

fn as_json(error: &SettingsError) -> Value {
    let origin = error.origin().map(ToString::to_string);
    json!({ "key": error.key(), "problem": error.problem(), "origin": origin })
}
