//! The roles as processes, with the settings of the simulated corp.

use std::path::Path;

use kefu_simulator::Credentials;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Call, Running, Services, Simulator, http, kefu};

/// The app whose callbacks the simulator sends.
pub(crate) fn app() -> Vec<(String, String)> {
    app_named("default")
}

/// The same, under another name in the settings.
pub(crate) fn app_named(name: &str) -> Vec<(String, String)> {
    let corp = Credentials::default();
    let pairs = [
        ("CORP_ID", corp.corp_id.as_str()),
        ("TOKEN", corp.token.expose_secret()),
        ("ENCODING_AES_KEY", corp.encoding_aes_key.expose_secret()),
        ("SECRET", corp.secret.expose_secret()),
    ];
    pairs
        .map(|(key, value)| {
            (
                format!("KEFU_APPS__{}__{key}", name.to_uppercase()),
                value.to_owned(),
            )
        })
        .to_vec()
}

/// Nothing where the settings have an app of another name.
fn app_unless_in(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let is_other = |name: &str| name.starts_with("KEFU_APPS__") && !name.starts_with("KEFU_APPS__DEFAULT__");
    match settings.iter().any(|(name, _)| is_other(name)) {
        true => Vec::new(),
        false => app(),
    }
}

/// A role and where it answers.
pub(crate) struct Role {
    pub(crate) running: Running,
    /// `http://host:port`.
    pub(crate) url: String,
}

impl Role {
    pub(crate) fn callback_url(&self) -> String {
        format!("{}/callback", self.url)
    }

    /// The status and the JSON of a path; reading it never fails because the role says no.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let answer = http().get(format!("{}{path}", self.url)).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or_default()))
    }

    pub(crate) async fn metrics(&self) -> String {
        http()
            .get(format!("{}/metrics", self.url))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }
}

pub(crate) async fn ingress(services: &Services, more: &[(&str, &str)]) -> Role {
    role(
        ingress_call(services, more).start().await,
        "ingress takes callbacks",
    )
    .await
}

/// The call of an ingress that may end before it takes callbacks.
fn ingress_call(services: &Services, more: &[(&str, &str)]) -> Call {
    let call = kefu(&["run", "ingress"])
        .set_all(&app_unless_in(more))
        .set_all(&services.settings())
        .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0");
    more.iter()
        .fold(call, |call, (name, value)| call.set(name, value))
}

pub(crate) async fn worker(services: &Services, wecom: &str, more: &[(&str, &str)]) -> Role {
    role(
        worker_call(services, wecom, more).start().await,
        "worker answers health",
    )
    .await
}

/// The call of a worker that may end before it answers.
pub(crate) fn worker_call(services: &Services, wecom: &str, more: &[(&str, &str)]) -> Call {
    let call = kefu(&["run", "worker"])
        .set_all(&app_unless_in(more))
        .set_all(&services.settings())
        .set("KEFU_WORKER__LISTEN", "127.0.0.1:0")
        .set("KEFU_WECOM__API_BASE", wecom)
        .set("KEFU_AI__BASE_URL", format!("{wecom}/v1"))
        .set("KEFU_CONVERSATION__MERGE_WINDOW", "200ms");
    more.iter()
        .fold(call, |call, (name, value)| call.set(name, value))
}

/// Ingress and worker in one process on embedded engines below `folder`, known to the simulator.
/// Without a model, unless `more` says so.
pub(crate) async fn both_roles(folder: &Path, simulator: &Simulator, more: &[(&str, &str)]) -> Role {
    both_roles_of(kefu(&["run"]), folder, simulator, more).await
}

/// The same of a call that was begun elsewhere.
pub(crate) async fn both_roles_of(
    call: Call,
    folder: &Path,
    simulator: &Simulator,
    more: &[(&str, &str)],
) -> Role {
    let call = call
        .within(folder)
        .set_all(&app())
        .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
        .set("KEFU_WORKER__LISTEN", "127.0.0.1:0")
        .set("KEFU_WECOM__API_BASE", &simulator.url)
        .set("KEFU_CONVERSATION__MERGE_WINDOW", "100ms");
    let call = more
        .iter()
        .fold(call, |call, (name, value)| call.set(name, value));
    let role = role(call.start().await, "ingress takes callbacks").await;
    simulator.call_back(&role.callback_url()).await;
    role
}

async fn role(running: Running, says: &str) -> Role {
    let line = running.says(says).await;
    let url = format!("http://{}", line["http.address"].as_str().unwrap());
    Role { running, url }
}

/// The sum of a counter's or gauge's samples that have all of these labels.
pub(crate) fn metric(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = metrics.lines().filter(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    });
    samples
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
