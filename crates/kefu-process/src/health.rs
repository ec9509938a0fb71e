//! Health of the parts of a process: probed in the background, so that no answer waits for a service.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod component;

pub use component::{Component, ComponentHealth, Probe, Snapshot, Status};

/// Time between two rounds of probes.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Longest time for one probe.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// A result older than this says nothing any more: the prober itself hangs.
pub const RESULT_AGE_MAX: Duration = Duration::from_secs(15);

type ReadyRule = Box<dyn Fn(&Snapshot) -> Vec<String> + Send + Sync>;

/// Keeps the results; one for each process.
pub struct Health {
    components: Vec<Component>,
    ready_rule: ReadyRule,
    results: Mutex<BTreeMap<&'static str, Found>>,
    /// Somebody knows that the parts have changed and does not want to wait for the next round.
    wanted: Notify,
    draining: AtomicBool,
}

/// What the last probe of one part found, and when.
struct Found {
    health: ComponentHealth,
    at: Instant,
}

impl Health {
    /// Ready while every required part is usable.
    pub fn new(components: Vec<Component>) -> Arc<Health> {
        Health::with_ready_rule(components, Snapshot::required_missing)
    }

    /// Ready while `ready_rule` gives no reason against it.
    pub fn with_ready_rule(
        components: Vec<Component>,
        ready_rule: impl Fn(&Snapshot) -> Vec<String> + Send + Sync + 'static,
    ) -> Arc<Health> {
        Arc::new(Health {
            components,
            ready_rule: Box::new(ready_rule),
            results: Mutex::new(BTreeMap::new()),
            wanted: Notify::new(),
            draining: AtomicBool::new(false),
        })
    }

    /// Probes at once, then every 5 s and whenever it is wanted, until `stop`; also the upkeep of the metrics.
    /// Belongs into the `JoinSet`.
    pub async fn run(self: Arc<Health>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(PROBE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => (),
                () = self.wanted.notified() => ticks.reset(),
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = self.probe() => crate::metrics::upkeep(),
            }
        }
    }

    /// Has all parts probed at once instead of with the next round.
    pub fn probe_soon(&self) {
        self.wanted.notify_one();
    }

    /// One round: all parts at the same time, each with its limit, and each noted as soon as it has answered, so
    /// that a slow part does not hold up what is known of the others.
    pub async fn probe(&self) {
        let mut probes: FuturesUnordered<_> = self
            .components
            .iter()
            .map(|component| async move { (component.name, probe_one(component).await) })
            .collect();
        while let Some((name, health)) = probes.next().await {
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            report_change(name, results.get(name).map(|found| &found.health), &health);
            let at = Instant::now();
            results.insert(name, Found { health, at });
        }
    }

    /// From now on the process is not ready; for the time between the stop and the end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The last results, without waiting for anything.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(Instant::now())
    }

    fn snapshot_at(&self, now: Instant) -> Snapshot {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let health_of = |name| match results.get(name) {
            None => ComponentHealth::unhealthy("not probed yet"),
            Some(found) => match now.saturating_duration_since(found.at) {
                age if RESULT_AGE_MAX < age => {
                    ComponentHealth::unhealthy(format!("no probe for {} s", age.as_secs()))
                }
                _ => found.health.clone(),
            },
        };
        let components = self
            .components
            .iter()
            .map(|component| (component.name, health_of(component.name)))
            .collect();
        let required = self.components.iter().filter(|component| component.required);
        Snapshot {
            components,
            required: required.map(|component| component.name).collect(),
        }
    }

    /// The reasons why no more work should come here; empty = ready.
    pub fn not_ready(&self) -> Vec<String> {
        if self.draining.load(Ordering::Relaxed) {
            return vec!["the process is stopping".to_owned()];
        }
        (self.ready_rule)(&self.snapshot())
    }
}

async fn probe_one(component: &Component) -> ComponentHealth {
    let started = Instant::now();
    let probed = AssertUnwindSafe(async { (component.probe)().await }).catch_unwind();
    let mut found = match timeout(PROBE_TIMEOUT, probed).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => ComponentHealth::unhealthy("the probe panicked"),
        Err(_) => ComponentHealth::unhealthy(format!("no answer within {} s", PROBE_TIMEOUT.as_secs())),
    };
    let elapsed_ms = started.elapsed().as_micros() as f64 / 1000.0;
    found.latency_ms.get_or_insert(elapsed_ms);
    found
}

/// Said once for each change, not for each round. The first round is no change: while a process connects, who
/// connects says what is missing.
fn report_change(name: &str, before: Option<&ComponentHealth>, now: &ComponentHealth) {
    let Some(before) = before else { return };
    match (before.status == now.status, now.status) {
        (true, _) => (),
        (false, Status::Healthy) => info!(component = name, "{name} is healthy"),
        (false, status) => warn!(component = name, ?status, "{name} is not healthy: {}", now.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_known_while_another_still_has_to_answer() {
        let health = Health::new(vec![
            Component::required("queue", || {
                std::future::ready(ComponentHealth::healthy("connected"))
            }),
            Component::optional("wecom", std::future::pending::<ComponentHealth>),
        ]);
        assert!(health.probe().now_or_never().is_none());
        assert!(health.not_ready().is_empty());
        assert_eq!(health.snapshot().components()["wecom"].detail, "not probed yet");
    }

    #[tokio::test]
    async fn a_change_is_seen_without_waiting_for_the_next_round() {
        let connected = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&connected);
        let health = Health::new(vec![Component::required("database", move || {
            std::future::ready(match seen.load(Ordering::Relaxed) {
                true => ComponentHealth::healthy("answers"),
                false => ComponentHealth::unhealthy("connecting"),
            })
        })]);
        let running = Arc::clone(&health).run(CancellationToken::new());
        let changing = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(health.not_ready(), ["database: connecting"]);
            connected.store(true, Ordering::Relaxed);
            health.probe_soon();
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(health.not_ready().is_empty());
        };
        tokio::select! {
            _ = running => panic!("the prober ended"),
            () = changing => (),
        }
    }

    #[tokio::test]
    async fn an_old_result_counts_as_unhealthy() {
        let probe = || std::future::ready(ComponentHealth::healthy("connected"));
        let health = Health::new(vec![Component::required("queue", probe)]);
        health.probe().await;
        let now = Instant::now();
        assert_eq!(health.snapshot_at(now).status(), Status::Healthy);
        let later = health.snapshot_at(now + Duration::from_secs(20));
        assert_eq!(later.status(), Status::Unhealthy);
        assert!(later.components()["queue"].detail.starts_with("no probe for "));
    }
}
