//! What `/health` of a worker shows.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kefu_process::health::{Component, ComponentHealth, Health};
use kefu_queue::Queue;
use kefu_store::StoreError;
use tokio::time::{Instant, timeout};

use crate::context::Context;

/// For the database to answer a question of health, which has 2 s in all: those would end without a word what to do.
const PING_MAX: Duration = Duration::from_millis(1_900);
const MEND_DATABASE: &str = "start it, or check database.url";
/// So long a part that is not there yet is only on its way.
const CONNECTING_MAX: Duration = Duration::from_secs(3);
/// At the start the database is what the worker waits for.
const NO_DATABASE_YET: &str = "has not answered yet; start it, or check database.url";

/// What `/health` shows. Ready while jobs can be taken: queue and database.
pub(crate) fn health(queue: &Queue, connected: &Arc<OnceLock<Arc<Context>>>) -> Arc<Health> {
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
