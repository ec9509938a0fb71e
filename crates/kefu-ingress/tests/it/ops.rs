//! The routes for those who run it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::client::{Answer, Client, DEADLINE, get};
use crate::running::{Running, seal, settings, text_message};

async fn ask(address: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(address).await;
    client.send(get(path)).await;
    client.answer().await
}

/// Waits for the first round of probes.
async fn healthy(address: SocketAddr) {
    let asked = async { while ask(address, "/health").await.status != 200 {} };
    tokio::time::timeout(DEADLINE, asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn they_stand_beside_the_callbacks_by_default() {
    let running = Running::start().await;
    healthy(running.address).await;
    let health: Value = serde_json::from_slice(&ask(running.address, "/health").await.body).unwrap();
    assert_eq!(health["components"]["queue"]["status"], "healthy");
    assert_eq!(ask(running.address, "/health/ready").await.status, 200);
    assert_eq!(ask(running.address, "/health/live").await.status, 200);
    let index: Value = serde_json::from_slice(&ask(running.address, "/").await.body).unwrap();
    assert_eq!(index["role"], "ingress");

    running.post(&seal(text_message("hello"))).await;
    running.send(get("/callback")).await;
    let metrics = ask(running.address, "/metrics").await;
    for line in [
        r#"kefu_callbacks_total{app="default",kind="text",outcome="queued"}"#,
        r#"kefu_callbacks_total{app="default",kind="",outcome="bad_query"}"#,
        r#"kefu_callback_duration_seconds_count{app="default"}"#,
        r#"http_requests_total{method="POST",path="/callback",status="200"}"#,
    ] {
        assert!(metrics.text().contains(line), "{line}\n{}", metrics.text());
    }
    running.stop().await;
}

/// Who holds the key makes up as many kinds as they like, and every label is kept in memory for ever.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_nobody_listed_are_one_label() {
    let running = Running::start().await;
    for number in 0..20 {
        for plaintext in [
            format!("<xml><MsgType>made_up_{number}</MsgType></xml>"),
            format!("<xml><MsgType>event</MsgType><Event>made_up_{number}</Event></xml>"),
            format!("<xml><InfoType>made_up_{number}</InfoType></xml>"),
        ] {
            assert_eq!(running.post(&seal(plaintext)).await.status, 200);
        }
    }
    let metrics = ask(running.address, "/metrics").await;
    assert!(metrics.text().contains(r#"kind="other",outcome="queued"}"#));
    assert!(!metrics.text().contains("made_up"), "{}", metrics.text());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_port_of_their_own_the_public_one_tells_little() {
    let running = Running::with(settings().with("ingress.ops_listen", "127.0.0.1:0")).await;
    let ops = running.ops_address.unwrap();
    healthy(ops).await;
    for (path, public, private) in [
        ("/metrics", 404, 200),
        ("/health", 404, 200),
        ("/health/live", 200, 200),
        ("/health/ready", 200, 200),
        ("/", 200, 200),
        ("/callback", 400, 404),
    ] {
        assert_eq!(ask(running.address, path).await.status, public, "{path}");
        assert_eq!(ask(ops, path).await.status, private, "{path}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_it_is_not_ready() {
    let mut running = Running::start().await;
    healthy(running.address).await;
    running.stop_queue().await;
    let noticed = async { while ask(running.address, "/health/ready").await.status != 503 {} };
    tokio::time::timeout(DEADLINE, noticed).await.unwrap();
    assert_eq!(ask(running.address, "/health/live").await.status, 200);
    running.stop().await;
}
