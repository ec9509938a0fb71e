//! Callbacks while the broker is gone, frozen or back, with a spool to go to.

use std::time::{Duration, Instant};

use kefu_faults::{FaultProxy, free_port};
use kefu_queue::{Lane, Queue, QueueSettings, Roles};
use kefu_settings::Settings;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, DEADLINE, get, post};
use crate::running::{CORP_ID, Running, seal, settings, text_message};

const WAKE_UP: &str =
    "<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><OpenKfId>wk1</OpenKfId></xml>";

/// The broker behind a port of our own, and a folder for the spool.
struct Stage {
    settings: Settings,
    port: u16,
    upstream: String,
    folder: TempDir,
}

impl Stage {
    async fn new() -> Stage {
        let url =
            std::env::var("AMQP_URL").expect(r#"AMQP_URL is not set; run: eval "$(scripts/services start)""#);
        let (user, place) = url.rsplit_once('@').unwrap();
        let (upstream, vhost) = place.split_once('/').unwrap_or((place, ""));
        let port = free_port().unwrap();
        let folder = TempDir::new().unwrap();
        let settings = settings()
            .with("queue.url", format!("{user}@127.0.0.1:{port}/{vhost}"))
            .with("queue.prefix", format!("test-{:016x}", rand::random::<u64>()))
            .with("queue.spool", folder.path().display());
        Stage {
            settings,
            port,
            upstream: upstream.to_owned(),
            folder,
        }
    }

    fn open(&self) -> FaultProxy {
        FaultProxy::start_at(self.port, &self.upstream).unwrap()
    }

    async fn start(&self) -> Running {
        let section: QueueSettings = self.settings.section("queue").unwrap();
        let (queue, driver) = Queue::open(&section, Roles::Both, None).await.unwrap();
        Running::over(self.settings.clone(), queue, driver, None).await
    }

    async fn remove(self, running: Running) {
        running.queue.delete().await.unwrap();
        running.stop().await;
        let left = std::fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(left, 0, "spool files are left");
    }
}

async fn health(running: &Running, path: &str) -> (u16, Value) {
    let answer = running.send(get(path)).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

async fn until(running: &Running, component: &str, status: &str) -> (u16, Value) {
    timeout(DEADLINE, async {
        loop {
            let (code, health) = health(running, "/health").await;
            if health["components"][component]["status"] == status {
                return (code, health);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap()
}

/// Sends callbacks at a steady rate, each on a connection of its own; answers the times, sorted.
async fn callbacks(running: &Running, count: usize, every: Duration) -> Vec<Duration> {
    let mut sending = JoinSet::new();
    let mut ticks = interval(every);
    for _ in 0..count {
        ticks.tick().await;
        let address = running.address;
        sending.spawn(async move {
            let sealed = seal(WAKE_UP);
            let body = sealed.request_xml(CORP_ID, None);
            let request = post(&format!("/callback?{}", sealed.query()), body);
            let mut client = Client::connect(address).await;
            let started = Instant::now();
            client.send(request).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, answer.text()), (200, "success"));
            started.elapsed()
        });
    }
    let mut times = sending.join_all().await;
    times.sort_unstable();
    times
}

/// Takes jobs until so many different ones have come.
async fn take_different(running: &Running, lane: Lane, count: usize) {
    let mut seen = std::collections::BTreeSet::new();
    let mut consumer = running.queue.consumer(lane);
    let stop = CancellationToken::new();
    while seen.len() < count {
        let delivery = timeout(DEADLINE, consumer.next(&stop)).await.unwrap().unwrap();
        seen.insert(delivery.job.as_ref().unwrap().id.clone());
        delivery.settle(kefu_queue::Verdict::Done).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_is_not_noticed_by_wecom() {
    let stage = Stage::new().await;
    let proxy = stage.open();
    let running = stage.start().await;
    until(&running, "queue", "healthy").await;
    let every = Duration::from_millis(10);
    callbacks(&running, 50, every).await;
    proxy.freeze();
    let times = callbacks(&running, 400, every).await;
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 < Duration::from_millis(500), "{p99:?}");
    let (status, health) = until(&running, "spool", "degraded").await;
    assert_eq!(
        (status, &health["components"]["queue"]["status"]),
        (200, &Value::from("degraded"))
    );
    proxy.thaw();
    take_different(&running, Lane::High, 450).await;
    until(&running, "spool", "healthy").await;
    stage.remove(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_is_ready_until_the_spool_is_full() {
    let mut stage = Stage::new().await;
    stage.settings = stage.settings.clone().with("queue.spool_max", "1048576");
    let running = stage.start().await;
    let (status, shown) = until(&running, "queue", "degraded").await;
    assert_eq!(status, 200);
    let detail = shown["components"]["queue"]["detail"].as_str().unwrap();
    assert!(detail.ends_with("; callbacks go to the disk spool"), "{detail}");
    assert_eq!(health(&running, "/health/ready").await.0, 200);
    let long = "x".repeat(40_000);
    let mut taken = 0;
    let refused = loop {
        match running.post(&seal(text_message(&long))).await.status {
            200 => taken += 1,
            other => break other,
        }
    };
    assert_eq!(refused, 503);
    assert!((20..27).contains(&taken), "{taken}");
    let (status, shown) = until(&running, "queue", "unhealthy").await;
    assert_eq!(status, 503);
    let detail = shown["components"]["spool"]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("full: holds ") && detail.contains("queue.spool_max is 1048576"),
        "{detail}"
    );
    let (status, shown) = health(&running, "/health/ready").await;
    assert_eq!(status, 503);
    assert!(shown.to_string().contains("the disk spool is full"), "{shown}");
    let metrics = running.send(get("/metrics")).await;
    for name in [
        "kefu_spool_depth",
        "kefu_spool_bytes",
        "kefu_spooled_total",
        "kefu_spool_drained_total",
    ] {
        assert!(metrics.text().contains(&format!("\n{name} ")), "{name}");
    }

    let _proxy = stage.open();
    take_different(&running, Lane::Medium, taken).await;
    until(&running, "spool", "healthy").await;
    assert_eq!(running.post(&seal(text_message(&long))).await.status, 200);
    assert_eq!(health(&running, "/health/ready").await.0, 200);
    stage.remove(running).await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_stops_the_start() {
    let settings = settings()
        .with("queue.url", "amqp://127.0.0.1:1")
        .with("queue.spool", "/proc/nowhere");
    let error = kefu_ingress::run(&settings, CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(kefu_process::exit::code(&error), 2);
    let line = kefu_process::exit::line(&error).unwrap();
    assert!(
        line.starts_with("kefu: queue.spool: cannot create /proc/nowhere: "),
        "{line}"
    );
}
