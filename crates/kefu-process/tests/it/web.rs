//! The routes every process answers, over a real socket.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::{self, Data};
use kefu_process::http::{self, HttpLimits};
use kefu_process::{Component, ComponentHealth, Health, Ops, Status, VERSION, ops};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

fn start(health: Arc<Health>, is_public: bool) -> Running {
    let ops = Data::new(Ops::new("test", health));
    let listener = http::bind("127.0.0.1:0".parse().unwrap(), "test.listen").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = http::serve(
        listener,
        HttpLimits::default(),
        stop.clone(),
        move |config: &mut web::ServiceConfig| match is_public {
            true => ops::liveness_only(config, ops.clone()),
            false => ops::configure(config, ops.clone()),
        },
    );
    let mut tasks = JoinSet::new();
    tasks.spawn(server.unwrap());
    Running { address, stop, tasks }
}

impl Running {
    async fn send(&self, method: &str, path: &str) -> (u16, String) {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let request = format!("{method} {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(DEADLINE, exchange).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.send("GET", path).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn stop(mut self) {
        self.stop.cancel();
        timeout(DEADLINE, self.tasks.join_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

fn always(health: ComponentHealth) -> impl Fn() -> std::future::Ready<ComponentHealth> {
    move || std::future::ready(health.clone())
}

#[tokio::test]
async fn health_is_200_while_degraded_and_503_when_unhealthy() {
    let is_up = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&is_up);
    let queue = Component::required("queue", move || {
        std::future::ready(match seen.load(Ordering::Relaxed) {
            true => ComponentHealth::healthy("connected"),
            false => ComponentHealth::unhealthy("connection refused"),
        })
    });
    let state = Component::optional("state", always(ComponentHealth::unhealthy("memory")));
    let health = Health::new(vec![queue, state]);
    let running = start(Arc::clone(&health), false);

    let (status, body) = running.json("/health").await;
    assert_eq!((status, body["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(body["components"]["queue"]["detail"], "not probed yet");

    health.probe().await;
    let (status, body) = running.json("/health").await;
    assert_eq!((status, body["status"].as_str()), (200, Some("degraded")));
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (body["version"].as_str(), body["role"].as_str()),
        (Some(VERSION), Some("test"))
    );
    assert_eq!(body["components"]["queue"]["status"], "healthy");
    assert!(body["components"]["queue"]["latency_ms"].is_number());
    assert_eq!(body["components"]["state"]["status"], "unhealthy");
    assert_eq!(running.json("/health/ready").await.0, 200);

    is_up.store(false, Ordering::Relaxed);
    health.probe().await;
    let (status, body) = running.json("/health").await;
    assert_eq!((status, body["status"].as_str()), (503, Some("unhealthy")));
    let (status, body) = running.json("/health/ready").await;
    assert_eq!(
        (status, body["reasons"][0].as_str()),
        (503, Some("queue: connection refused"))
    );
    assert_eq!(running.json("/health/live").await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn everything_healthy_is_healthy_and_draining_is_not_ready() {
    let state = ComponentHealth {
        latency_ms: Some(1.5),
        ..ComponentHealth::healthy("redis")
    };
    let health = Health::new(vec![Component::required("state", always(state))]);
    health.probe().await;
    let running = start(Arc::clone(&health), false);
    let (status, body) = running.json("/health").await;
    assert_eq!((status, body["status"].as_str()), (200, Some("healthy")));
    assert_eq!(body["components"]["state"]["latency_ms"], 1.5);
    health.drain();
    let (status, body) = running.json("/health/ready").await;
    assert_eq!(
        (status, body["reasons"][0].as_str()),
        (503, Some("the process is stopping"))
    );
    running.stop().await;
}

#[tokio::test]
async fn readiness_follows_the_rule_of_the_role() {
    let components = vec![
        Component::required("queue", always(ComponentHealth::unhealthy("away"))),
        Component::optional("spool", always(ComponentHealth::healthy("empty"))),
    ];
    let health = Health::with_ready_rule(components, |snapshot| {
        match snapshot.is_usable("queue") || snapshot.is_usable("spool") {
            true => Vec::new(),
            false => vec!["neither broker nor spool".to_owned()],
        }
    });
    assert_eq!(health.not_ready(), ["neither broker nor spool"]);
    health.probe().await;
    assert!(health.not_ready().is_empty());
}

#[tokio::test]
async fn the_index_and_the_metrics_are_there_and_the_rest_is_refused() {
    let running = start(Health::new(Vec::new()), false);
    let (status, body) = running.json("/").await;
    assert_eq!(
        (status, body["name"].as_str(), body["role"].as_str()),
        (200, Some("kefu"), Some("test"))
    );
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(running.send("GET", "/no/such/path").await.0, 404);
    assert_eq!(running.send("POST", "/health").await.0, 405);
    assert_eq!(running.send("HEAD", "/health/live").await, (200, String::new()));
    let (status, text) = running.send("GET", "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"http_requests_total{method="GET",path="/",status="200"}"#,
        r#"http_requests_total{method="GET",path="unmatched",status="404"}"#,
        r#"http_request_duration_seconds_bucket{method="GET",path="/",le="0.05"}"#,
        "process_resident_memory_bytes",
        concat!(
            r#"kefu_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#"",role="test"} 1"#
        ),
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_public_port_tells_only_whether_it_lives() {
    let running = start(Health::new(Vec::new()), true);
    assert_eq!(running.send("GET", "/health").await.0, 404);
    assert_eq!(running.send("GET", "/metrics").await.0, 404);
    assert_eq!(running.send("GET", "/health/live").await.0, 200);
    assert_eq!(running.send("GET", "/health/ready").await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_probe_that_hangs_or_panics_holds_up_nobody() {
    let health = Health::new(vec![
        Component::required("queue", pending::<ComponentHealth>),
        Component::required("state", || async { panic!("on purpose") }),
        Component::required("database", always(ComponentHealth::healthy("connected"))),
    ]);
    let running = start(Arc::clone(&health), false);
    let probing = health.probe();
    tokio::pin!(probing);
    // Answered while the round of probes hangs.
    tokio::select! {
        biased;
        () = &mut probing => panic!("the probe should hang"),
        (status, body) = running.json("/health") => {
            assert_eq!((status, body["components"]["queue"]["detail"].as_str()), (503, Some("not probed yet")));
        }
    }
    timeout(DEADLINE, probing).await.unwrap();
    let snapshot = health.snapshot();
    assert_eq!(snapshot.components()["queue"].detail, "no answer within 2 s");
    assert_eq!(snapshot.components()["state"].detail, "the probe panicked");
    assert_eq!(snapshot.components()["database"].status, Status::Healthy);
    assert_eq!(snapshot.status(), Status::Unhealthy);
    running.stop().await;
}

#[tokio::test]
async fn the_prober_starts_at_once_and_ends_with_the_stop() {
    let (probed, seen) = tokio::sync::watch::channel(());
    let health = Health::new(vec![Component::required("queue", move || {
        probed.send_replace(());
        std::future::ready(ComponentHealth::healthy("connected"))
    })]);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(health.run(stop.clone()));
    let mut seen = seen;
    timeout(DEADLINE, seen.changed()).await.unwrap().unwrap();
    stop.cancel();
    timeout(DEADLINE, tasks.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_with_its_key() {
    let taken = http::bind("127.0.0.1:0".parse().unwrap(), "worker.listen").unwrap();
    let address = taken.local_addr().unwrap();
    let error = http::bind(address, "worker.listen").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("worker.listen: {address} is already in use")
    );
    let elsewhere = http::bind("192.0.2.1:0".parse().unwrap(), "worker.listen").unwrap_err();
    assert_eq!(
        elsewhere.to_string(),
        "worker.listen: 192.0.2.1:0 is not an address of this machine"
    );
}
