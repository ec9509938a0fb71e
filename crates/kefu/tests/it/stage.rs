//! What the end-to-end tests play on: real processes, the services, the simulated WeCom over HTTP.

mod callers;
mod instance;
mod process;
mod roles;
mod services;
mod simulator;
mod usage;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use callers::Callers;
pub(crate) use instance::Instance;
pub(crate) use process::{Call, Ended, Running, kefu, kefu_for_all};
pub(crate) use roles::{
    Role, app, app_named, both_roles, both_roles_of, ingress, metric, worker, worker_call,
};
pub(crate) use services::{Services, moved};
pub(crate) use simulator::Simulator;
#[cfg(feature = "chaos")]
pub(crate) use usage::Usage;

/// How long an event may take that does come, on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(if cfg!(feature = "chaos") { 600 } else { 120 });

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
