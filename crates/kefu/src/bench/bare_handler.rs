//! What the ingress is measured against: the same server and publisher, and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use actix_web::error::{ErrorPayloadTooLarge, ErrorServiceUnavailable};
use actix_web::web::{self, Bytes, Data};
use anyhow::Context;
use kefu_domain::Millis;
use kefu_process::http::{HttpLimits, bind, serve};
use kefu_process::{clock, stop_on_signal, supervise};
use kefu_queue::{Job, Lane, Queue, Roles};
use kefu_settings::Settings;
use kefu_worker::open_queue;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::commands::start_telemetry;

const CONFIRM_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn run(config: Option<&Path>, listen: SocketAddr) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let _telemetry = start_telemetry("kefu-bench", &settings)?;
    let stop = stop_on_signal()?;
    let (queue, driver) = open_queue(&settings, Roles::IngressOnly).await?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = HttpLimits {
        connections_max: 2000,
        threads: Some(threads),
        ..HttpLimits::default()
    };
    let queue = Data::new(queue);
    let server = serve(bind(listen, "--listen")?, limits, stop.clone(), move |config| {
        config
            .app_data(queue.clone())
            .route("/callback", web::post().to(publish))
            .route("/health/ready", web::get().to(ready));
    })?;

    let queue_stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let driver_stop = queue_stop.clone();
    tasks.spawn(async move { driver.run(driver_stop).await.context("queue failed") });
    tasks.spawn(async move {
        let outcome = server.await;
        queue_stop.cancel();
        Ok(outcome?)
    });
    supervise(tasks, stop).await
}

/// The raw body, published with a confirm. Nothing is checked.
async fn publish(queue: Data<Queue>, body: Bytes) -> actix_web::Result<&'static str> {
    let body = String::from_utf8(body.to_vec()).map_err(ErrorPayloadTooLarge)?;
    let job = Job::new(
        "bench.raw",
        "bench",
        Lane::High,
        Value::from(body),
        Millis(clock::now_ms()),
    );
    queue
        .publish(&job, CONFIRM_WITHIN)
        .await
        .map_err(ErrorServiceUnavailable)?;
    Ok("success")
}

async fn ready(queue: Data<Queue>) -> actix_web::Result<&'static str> {
    match queue.health().connected {
        true => Ok("ready"),
        false => Err(ErrorServiceUnavailable("not connected")),
    }
}
