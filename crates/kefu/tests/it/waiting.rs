//! Services that do not answer are waited for: no process has to be started again.

use std::time::Duration;

use kefu_faults::{FaultProxy, free_port};
use reqwest::Url;

use crate::official::post_body;
use crate::stage::{Role, Services, Simulator, eventually, http, ingress, moved, worker};

const FEW_STEPS: (&str, &str) = ("KEFU_QUEUE__RETRY_STEPS", "1s");

async fn not_ready(role: &Role, component: &str) {
    let (status, health) = eventually("health answers", async || {
        let (status, health) = role.get("/health").await?;
        let detail = health["components"][component]["detail"].as_str()?;
        // For the first seconds it may only be on its way.
        let is_known = !["not probed yet", "connecting"].contains(&detail);
        is_known.then_some((status, health))
    })
    .await;
    assert_eq!(
        (status, health["status"].as_str()),
        (503, Some("unhealthy")),
        "{health}"
    );
    let found = &health["components"][component];
    assert_eq!(found["status"], "unhealthy");
    assert!(!found["detail"].as_str().unwrap().is_empty());
    let (status, ready) = role.get("/health/ready").await.unwrap();
    assert_eq!((status, ready["status"].as_str()), (503, Some("not ready")));
    let reason = ready["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with(&format!("{component}: ")), "{ready}");
    // And what to do.
    assert!(reason.contains("; start "), "{ready}");
    assert_eq!(role.get("/health/live").await.unwrap().0, 200);
}

async fn ready(role: &Role) {
    eventually("the role is ready", async || {
        let (status, _) = role.get("/health/ready").await?;
        (status == 200).then_some(())
    })
    .await;
    assert_eq!(role.get("/health").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_worker_waits_for_its_database() {
    let services = Services::own().await;
    let simulator = Simulator::start().await;
    let port = free_port().unwrap();
    let (place, url) = moved(&services.postgres, port);
    let worker = worker(&services, &simulator.url, &[FEW_STEPS, ("DATABASE_URL", &url)]).await;
    not_ready(&worker, "database").await;
    let _proxy = FaultProxy::start_at(port, &place).unwrap();
    ready(&worker).await;
    worker.running.terminate().await;
    worker.running.ended().await.check_code(0);
    services.remove().await;
}

#[tokio::test]
async fn a_worker_that_still_waits_ends_when_it_is_asked_to() {
    let services = Services::own().await;
    let nobody = format!("postgres://kefu:x@127.0.0.1:{}/kefu", free_port().unwrap());
    let worker = worker(
        &services,
        "http://127.0.0.1:9",
        &[FEW_STEPS, ("DATABASE_URL", &nobody)],
    )
    .await;
    worker.running.says("waiting for the database").await;
    worker.running.terminate().await;
    worker
        .running
        .ended_within(Duration::from_secs(15))
        .await
        .check_code(0);
    services.remove().await;
}

#[tokio::test]
async fn an_ingress_waits_for_its_broker_and_takes_no_callback_meanwhile() {
    let services = Services::own().await;
    let simulator = Simulator::start().await;
    let port = free_port().unwrap();
    let (place, url) = moved(&services.amqp, port);
    // Without a spool nothing else could take it.
    let more = [FEW_STEPS, ("AMQP_URL", url.as_str()), ("KEFU_QUEUE__SPOOL", "")];
    let ingress = ingress(&services, &more).await;
    not_ready(&ingress, "queue").await;
    let query = [("msg_signature", "a"), ("timestamp", "1"), ("nonce", "2")];
    let url = Url::parse_with_params(&ingress.callback_url(), query).unwrap();
    let forged = http().post(url);
    assert_eq!(forged.body(post_body()).send().await.unwrap().status(), 403);

    // WeCom calls again after 5 s: the first call gets a 503, a later one is taken.
    simulator.call_back(&ingress.callback_url()).await;
    simulator
        .says("early", serde_json::json!({ "text": "hello" }))
        .await;
    let refused = ["method=\"POST\"", "status=\"503\""];
    eventually("the callback is refused", async || {
        let count = crate::stage::metric(&ingress.metrics().await, "http_requests_total", &refused);
        (1.0 <= count).then_some(())
    })
    .await;
    let _proxy = FaultProxy::start_at(port, &place).unwrap();
    ready(&ingress).await;
    eventually("the callback is taken", async || {
        (simulator.report().await["callbacks"] == 1).then_some(())
    })
    .await;
    ingress.running.terminate().await;
    ingress.running.ended().await.check_code(0);
    services.remove().await;
}
