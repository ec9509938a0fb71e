//! The life of a worker: its port, its connections, its tasks, and how they end.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};

use actix_web::web::Data;
use anyhow::{Context as _, anyhow};
use kefu_process::health::Health;
use kefu_process::http::{HttpLimits, bind, serve};
use kefu_process::{Ops, metrics, ops, supervise};
use kefu_queue::{Lane, Queue, Roles};
use kefu_settings::{Settings, SettingsErrors};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::connect::Parts;
use crate::context::Context;
use crate::health::health;
use crate::{METRICS, WorkerSettings, accounts, archiver, check, depths, replayer, slot, sweeper};

/// The worker, with its port taken, not yet connected.
pub struct Worker {
    settings: WorkerSettings,
    parts: Parts,
    listener: TcpListener,
}

impl Worker {
    /// Reads the worker's sections and takes its port. Errors name the key.
    pub fn bind(settings: &Settings) -> anyhow::Result<Worker> {
        let (section, parts) = read(settings)?;
        metrics::describe(METRICS);
        let listener = bind(section.listen, "worker.listen")?;
        Ok(Worker {
            settings: section,
            parts,
            listener,
        })
    }

    /// Where health and metrics are; tells the port when the settings said 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Connects and works until `stop`; then jobs in flight get their time to end.
    pub async fn run(self, queue: Queue, stop: CancellationToken) -> anyhow::Result<()> {
        let address = self.address()?;
        // Health answers while the database is still waited for.
        let connected = Arc::new(OnceLock::new());
        let health = health(&queue, &connected);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&health).run(stop.clone()));
        let ops = Data::new(Ops::new("worker", Arc::clone(&health)));
        let server = serve(
            self.listener,
            HttpLimits::default(),
            stop.clone(),
            move |config| {
                ops::configure(config, ops.clone());
            },
        )?;
        tasks.spawn(async move { Ok(server.await?) });
        info!(http.address = %address, "worker answers health and metrics at http://{address}");

        let (settings, parts, work_stop) = (self.settings, self.parts, stop.clone());
        tasks.spawn(async move {
            let context = tokio::select! {
                biased;
                () = work_stop.cancelled() => return Ok(()),
                context = parts.connect(queue) => Arc::new(context?),
            };
            if connected.set(Arc::clone(&context)).is_err() {
                return Err(anyhow!("worker connected twice"));
            }
            let outcome = work(Arc::clone(&context), &settings, &health, work_stop).await;
            context.store.close().await;
            outcome
        });
        supervise(tasks, stop).await
    }
}

/// The worker's own sections, checked.
pub(crate) fn read(settings: &Settings) -> anyhow::Result<(WorkerSettings, Parts)> {
    // With the roles that ask least: a process of this one alone has made its own check.
    SettingsErrors::check(check::problems(settings, Roles::Both))?;
    let section: WorkerSettings = settings.section("worker")?;
    Ok((section, Parts::read(&check::own(settings))?))
}

/// All tasks of a connected worker.
async fn work(
    context: Arc<Context>,
    settings: &WorkerSettings,
    health: &Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(context.gate.clone().run(context.store.clone(), stop.clone()));
    tasks.spawn(archiver::run(Arc::clone(&context), stop.clone()));
    tasks.spawn(replayer::run(Arc::clone(&context), stop.clone()));
    tasks.spawn(sweeper::run(Arc::clone(&context), stop.clone()));
    tasks.spawn(accounts::keep_listed(Arc::clone(&context), stop.clone()));
    tasks.spawn(depths::run(Arc::clone(&context), stop.clone()));
    let (turning, turn_stop) = (Arc::clone(&context), stop.clone());
    tasks.spawn(async move { turning.turns.run(turn_stop).await });

    let mut slots = JoinSet::new();
    for lane in Lane::ALL {
        for _ in 0..settings.slots.of(lane) {
            slots.spawn(slot::run(Arc::clone(&context), lane, stop.clone()));
        }
    }
    info!(slots = slots.len(), "worker takes jobs");
    // Readiness comes with the first job, not with the next round of probes.
    health.probe_soon();
    let outcome = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        ended = slots.join_next() => too_early(ended),
        ended = tasks.join_next() => too_early(ended),
    };
    stop.cancel();
    health.drain();
    slot::drain(slots, settings.drain).await;
    context.turns.flush().await;
    outcome.and(supervise(tasks, stop).await)
}

/// Why a task that should run until the stop has ended before it.
fn too_early(ended: Option<Result<anyhow::Result<()>, JoinError>>) -> anyhow::Result<()> {
    match ended {
        Some(ended) => ended.context("a task of the worker panicked").flatten()?,
        None => return Ok(()),
    }
    Err(anyhow!("a task of the worker ended before the stop"))
}
