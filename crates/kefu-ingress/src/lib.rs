//! The thin front: checks, decrypts and queues WeCom's callbacks, and answers once they are durable.
//!
//! It cannot reach the database or Redis: neither crate is among its imports, and a test keeps it so.
//! What it accepts survives its own death: `success` is answered only after the broker's confirm, or after the disk
//! spool has synced it.

mod apps;
mod callback;
mod check;
mod crash_points;
mod elsewhere;
mod health;
mod job;
mod lanes;
mod measured;
mod path;
mod server;
mod settings;

use std::time::Duration;

use anyhow::Context;
use kefu_process::{ExitError, supervise, telemetry, tls};
use kefu_queue::{Outlet, Queue, QueueSettings, Roles};
use kefu_settings::{Settings, SettingsErrors};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use check::{problems, warnings};
pub use crash_points::CRASH_POINTS;
pub use measured::METRICS;
pub use server::Server;
pub use settings::IngressSettings;

use apps::Apps;
use elsewhere::Elsewhere;
use lanes::Lanes;
use path::CallbackPath;

/// What the handlers share.
struct Ingress {
    path: CallbackPath,
    apps: Apps,
    lanes: Lanes,
    outlet: Outlet,
    limits: Limits,
    elsewhere: Elsewhere,
}

/// What the body of a callback is allowed.
struct Limits {
    /// In bytes.
    body_max: usize,
    body_timeout: Duration,
}

/// Runs the ingress as a process of its own, until `stop`.
pub async fn run(settings: &Settings, stop: CancellationToken) -> anyhow::Result<()> {
    // Before anything is connected, so that a wrong key is named although the broker is away.
    SettingsErrors::check(problems(settings, Roles::IngressOnly))?;
    let queue_settings: QueueSettings = settings.section("queue")?;
    let tls = tls::client_config_if(queue_settings.needs_tls())
        .map_err(|error| ExitError::refused("queue.url", error))?;
    let (queue, driver) = Queue::open(&queue_settings, Roles::IngressOnly, Some(tls))
        .await
        .map_err(|error| match error.refusal() {
            Some(refusal) => anyhow::Error::new(settings.placed(refusal)),
            None => anyhow::Error::new(error),
        })?;
    let server = Server::bind(settings, queue).await?;
    telemetry::first_line("kefu-ingress");

    // The queue ends after the server: callbacks in flight still need it.
    let queue_stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let driver_stop = queue_stop.clone();
    tasks.spawn(async move { driver.run(driver_stop).await.context("queue failed") });
    let server_stop = stop.clone();
    tasks.spawn(async move {
        // Dropped in any case, a panic included: nothing else would end the queue.
        let _queue_stop = queue_stop.drop_guard();
        server.run(server_stop).await
    });
    supervise(tasks, stop).await
}
