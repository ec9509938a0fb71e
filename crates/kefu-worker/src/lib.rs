//! The worker: consumes jobs, pulls messages, decides replies, sends them.
//!
//! The one place where WeCom's words are translated into ours (`translate`). The database row is the truth and the
//! job only a hint, so any number of workers can run, and any of them can die at any time.

mod accounts;
mod archiver;
mod catch_up;
mod check;
mod connect;
mod context;
mod crash_points;
mod depths;
mod gate;
mod health;
mod jobs;
mod lease;
mod letter;
mod measured;
mod outcome;
mod page_size;
mod pull;
mod replayer;
mod replies;
mod row;
mod settings;
mod slot;
mod sweeper;
mod translate;
mod trial;
mod turn;
mod turns;
mod worker;

use anyhow::Context as _;
use kefu_process::{ExitError, supervise, telemetry, tls};
use kefu_queue::{Driver, Queue, QueueSettings, Roles};
use kefu_settings::{Settings, SettingsErrors};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use check::{problems, warnings};
pub use crash_points::CRASH_POINTS;
pub use letter::REASONS;
pub use measured::METRICS;
pub use settings::{ConversationSettings, ReplySettings, Slots, WorkerSettings};
pub use trial::{Trial, Trouble, try_services};
pub use worker::Worker;

/// Runs the worker as a process of its own, until `stop`.
pub async fn run(settings: &Settings, stop: CancellationToken) -> anyhow::Result<()> {
    SettingsErrors::check(problems(settings, Roles::WorkerOnly))?;
    let worker = Worker::bind(settings)?;
    let (queue, driver) = open_queue(settings, Roles::WorkerOnly).await?;
    telemetry::first_line("kefu-worker");

    // The queue ends after the slots: jobs in flight still settle.
    let queue_stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let driver_stop = queue_stop.clone();
    tasks.spawn(async move { driver.run(driver_stop).await.context("queue failed") });
    let worker_stop = stop.clone();
    tasks.spawn(async move {
        // Dropped in any case, a panic included: nothing else would end the queue.
        let _queue_stop = queue_stop.drop_guard();
        worker.run(queue, worker_stop).await
    });
    supervise(tasks, stop).await
}

/// Opens the queue of the settings; a refusal ends the process with its line.
pub async fn open_queue(settings: &Settings, roles: Roles) -> anyhow::Result<(Queue, Driver)> {
    let section: QueueSettings = settings.section("queue")?;
    let tls =
        tls::client_config_if(section.needs_tls()).map_err(|error| ExitError::refused("queue.url", error))?;
    Queue::open(&section, roles, Some(tls))
        .await
        .map_err(|error| match error.refusal() {
            Some(refusal) => settings.placed(refusal).into(),
            None => error.into(),
        })
}
