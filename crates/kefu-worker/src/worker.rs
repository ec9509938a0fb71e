use std::error::Error as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::web::Data;
use anyhow::{Context as _, anyhow};
use kefu_domain::counted;
use kefu_process::health::{Component, ComponentHealth, Health};
use kefu_process::http::{HttpLimits, bind, serve};
use kefu_process::{Ops, leave, metrics as measured, ops, supervise};
use kefu_queue::{Lane, Queue, Roles};
use kefu_settings::{Settings, SettingsErrors};
use kefu_store::StoreError;
use metrics::gauge;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::METRICS;
use crate::accounts::Listed;
use crate::connect::Parts;
use crate::context::Context;
use crate::{WorkerSettings, accounts, archiver, check, replayer, slot, sweeper};

const DEPTHS_EVERY: Duration = Duration::from_secs(10);
/// WeCom's list of accounts is asked again after this.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Sooner when the list could not be had.
const ACCOUNTS_RETRY: Duration = Duration::from_secs(10 * 60);

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
        measured::describe(METRICS);
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
    let (replaying, replay_stop) = (Arc::clone(&context), stop.clone());
    tasks.spawn(async move { replayer::run(&replaying, replay_stop).await });
    let (sweeping, turning, asking) = (Arc::clone(&context), Arc::clone(&context), Arc::clone(&context));
    let measuring = Arc::clone(&context);
    let (sweep_stop, turn_stop, ask_stop) = (stop.clone(), stop.clone(), stop.clone());
    let measure_stop = stop.clone();
    tasks.spawn(async move { sweeper::run(&sweeping, sweep_stop).await });
    tasks.spawn(async move { turning.turns.run(turn_stop).await });
    tasks.spawn(async move { list_accounts(&asking, ask_stop).await });
    tasks.spawn(async move { measure_depths(&measuring, measure_stop).await });

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
    drain(slots, settings.drain).await;
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

/// Waits for jobs in flight; what is dropped goes back to its lane, with its attempt unspent.
async fn drain(mut slots: JoinSet<anyhow::Result<()>>, limit: Duration) {
    let ended = timeout(limit, async { while slots.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        let dropped = counted(slots.len(), "job");
        warn!(
            slots = slots.len(),
            "dropping {dropped} that did not end in time, to go back to the lanes"
        );
        leave(format!(
            "{dropped} without an end, back in the lanes with no attempt spent"
        ));
        slots.shutdown().await;
    }
}

async fn list_accounts(context: &Context, stop: CancellationToken) -> anyhow::Result<()> {
    let listing = async {
        loop {
            let mut wait = ACCOUNTS_EVERY;
            for app in context.outbound.apps().iter() {
                match accounts::refresh(context, app).await {
                    Ok(Listed::All) => (),
                    Ok(Listed::Nothing | Listed::Waits(_)) => wait = ACCOUNTS_RETRY,
                    Err(error) => {
                        warn!("accounts not noted: {error}");
                        wait = ACCOUNTS_RETRY;
                    }
                }
            }
            sleep(wait).await;
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        () = listing => Ok(()),
    }
}

async fn measure_depths(context: &Context, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(DEPTHS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => (),
        }
        let measured = async { tokio::join!(context.queue.depths(), context.store.unknown_replies()) };
        let (depths, unknown) = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            measured = measured => measured,
        };
        // Health says that the queue or the database is away; the gauges keep what was last known.
        if let Ok(unknown) = unknown {
            gauge!("kefu_replies_unknown").set(unknown as f64);
        }
        let Ok(depths) = depths else { continue };
        for lane in Lane::ALL {
            gauge!("kefu_queue_depth", "lane" => lane.as_str()).set(depths.lane(lane) as f64);
        }
        gauge!("kefu_queue_depth", "lane" => "dead").set(depths.dead as f64);
        let waiting: u64 = depths.retry.iter().map(|step| step.waiting).sum();
        gauge!("kefu_queue_depth", "lane" => "retry").set(waiting as f64);
    }
}

/// What `/health` shows. Ready while jobs can be taken: queue and database.
fn health(queue: &Queue, connected: &Arc<OnceLock<Arc<Context>>>) -> Arc<Health> {
    let queue = queue.clone();
    let queue = Component::required("queue", move || {
        let health = queue.health();
        std::future::ready(match (health.connected, health.blocked) {
            (true, false) => ComponentHealth::healthy(health.detail),
            (true, true) => ComponentHealth::degraded(health.detail),
            (false, _) => ComponentHealth::unhealthy(health.detail),
        })
    });
    let database = with_context(connected, NO_DATABASE_YET, |context| async move {
        // It may answer a question and refuse the work: a full disk, a server that has become read-only.
        if let Some(trouble) = context.gate.trouble() {
            return ComponentHealth::unhealthy(format!("no jobs are taken: {trouble}"));
        }
        match timeout(PING_MAX, context.store.ping()).await {
            Ok(Ok(_)) => ComponentHealth::healthy("answers"),
            Ok(Err(error)) => ComponentHealth::unhealthy(database_trouble(&error)),
            Err(_) => ComponentHealth::unhealthy(format!("no answer within {PING_MAX:?}; {MEND_DATABASE}")),
        }
    });
    let state = with_context(connected, "not connected yet", |context| async move {
        let pinged = context.state.ping().await;
        let health = context.state.health();
        match (pinged, health.degraded) {
            (Ok(_), false) => ComponentHealth::healthy(health.detail),
            _ => ComponentHealth::degraded(health.detail),
        }
    });
    let wecom = with_context(connected, "not connected yet", |context| async move {
        let mut troubles = Vec::new();
        for app in context.outbound.apps().iter() {
            // One that is away is not asked: only what waits for WeCom probes it.
            let trouble = match app.breaker.away() {
                Some(open) => Some(open),
                None => context
                    .outbound
                    .wecom()
                    .probe(&app.name)
                    .await
                    .err()
                    .map(|e| e.to_string()),
            };
            troubles.extend(trouble.map(|trouble| format!("app {}: {trouble}", app.name)));
        }
        match troubles.is_empty() {
            true => ComponentHealth::healthy("access tokens are had"),
            false => ComponentHealth::degraded(troubles.join("; ")),
        }
    });
    let model = with_context(connected, "not connected yet", |context| async move {
        if let Some(open) = context.model.as_ref().and_then(|model| model.breaker().away()) {
            return ComponentHealth::degraded(open);
        }
        match context.model.as_ref().map(|model| model.last_failure()) {
            None => ComponentHealth::healthy("none is set: rules and the fallback text answer"),
            Some(None) => ComponentHealth::healthy("the last question was answered"),
            Some(Some(failure)) => ComponentHealth::degraded(failure),
        }
    });
    Health::new(vec![
        queue,
        Component::required("database", database),
        Component::optional("state", state),
        Component::optional("wecom", wecom),
        Component::optional("model", model),
    ])
}

/// For the database to answer a question of health, which has 2 s in all: those would end without a word what to do.
const PING_MAX: Duration = Duration::from_millis(1_900);
const MEND_DATABASE: &str = "start it, or check database.url";
/// So long a part that is not there yet is only on its way.
const CONNECTING_MAX: Duration = Duration::from_secs(3);
/// At the start the database is what the worker waits for.
const NO_DATABASE_YET: &str = "has not answered yet; start it, or check database.url";

/// With its cause, and what to do about it.
fn database_trouble(error: &StoreError) -> String {
    match error.source() {
        Some(cause) if error.is_unavailable() => {
            format!("{error}: {cause}; {MEND_DATABASE}")
        }
        _ => error.to_string(),
    }
}

/// A probe of something that is there only once the worker is connected.
fn with_context<F, R>(
    connected: &Arc<OnceLock<Arc<Context>>>,
    before: &'static str,
    probe: F,
) -> impl Fn() -> futures::future::BoxFuture<'static, ComponentHealth> + Send + Sync + 'static
where
    F: Fn(Arc<Context>) -> R + Send + Sync + 'static,
    R: Future<Output = ComponentHealth> + Send + 'static,
{
    let connected = Arc::clone(connected);
    let started_at = Instant::now();
    move || match connected.get() {
        Some(context) => Box::pin(probe(Arc::clone(context))),
        None => {
            let is_early = started_at.elapsed() < CONNECTING_MAX;
            let detail = if is_early { "connecting" } else { before };
            Box::pin(std::future::ready(ComponentHealth::unhealthy(detail)))
        }
    }
}
