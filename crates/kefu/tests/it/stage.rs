//! What the end-to-end tests play on: real processes, the services, the simulated WeCom over HTTP.

mod forwarder;
mod process;
mod roles;
mod services;
mod simulator;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use forwarder::{Forwarder, free_port};
pub(crate) use process::{Call, Ended, Running, kefu};
pub(crate) use roles::{Role, app, both_roles, ingress, metric, worker};
pub(crate) use services::Services;
pub(crate) use simulator::Simulator;

/// How long an event may take that does come, on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A client that knows no proxy and keeps no test waiting.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(kefu_process::tls::client_config_if(false).unwrap())
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}
