//! What an operator sees of a message on its way.

use serde_json::{Value, json};

use crate::stage::{Role, Running, Services, Simulator, eventually, ingress, metric, worker};

/// The trace ids of the log lines with this in their message, from line `after` on.
fn traces(running: &Running, part: &str, after: usize) -> Vec<String> {
    let log = running.log();
    let lines = log[after..]
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.contains(part)));
    lines
        .map(|line| line["trace_id"].as_str().unwrap_or("none").to_owned())
        .collect()
}

async fn ready(role: &Role) -> Value {
    eventually("the role is healthy", async || {
        let (status, health) = role.get("/health").await?;
        (status == 200 && health["status"] == "healthy").then_some(health)
    })
    .await
}

#[tokio::test]
async fn one_message_is_one_trace_from_the_callback_to_the_reply() {
    let services = Services::own().await;
    let debug = [("KEFU_LOG__LEVEL", "debug"), ("KEFU_QUEUE__RETRY_STEPS", "1s")];
    let ingress = ingress(&services, &debug).await;
    let simulator = Simulator::start().await;
    simulator.call_back(&ingress.callback_url()).await;
    let worker = worker(&services, &simulator.url, &debug).await;
    // The first message may be found by the worker's own start; the second comes by its callback alone.
    simulator.says("wang", json!({ "text": "first" })).await;
    simulator.answers("wang", 1).await;
    let (heard, done) = (ingress.running.log().len(), worker.running.log().len());
    simulator.says("wang", json!({ "text": "hunter2 second" })).await;
    simulator.answers("wang", 2).await;
    eventually("the part's line", async || {
        (!traces(&worker.running, "sent part", done).is_empty()).then_some(())
    })
    .await;

    let callback = traces(&ingress.running, "queued callback", heard);
    assert_eq!(callback.len(), 1);
    assert_eq!(callback[0].len(), 32);
    for part in ["pulled a page", "turn begins", "sent part"] {
        assert_eq!(traces(&worker.running, part, done), callback, "{part}");
    }
    for line in [ingress.running.stderr(), worker.running.stderr()].concat() {
        assert!(!line.contains("hunter2"), "a customer's words are logged: {line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    services.remove().await;
}

/// Both roles after one message, and the simulator they serve.
async fn after_one_message(services: &Services) -> (Role, Role, Simulator) {
    let few = [("KEFU_QUEUE__RETRY_STEPS", "1s")];
    let ingress = ingress(services, &few).await;
    let simulator = Simulator::start().await;
    simulator.call_back(&ingress.callback_url()).await;
    let worker = worker(services, &simulator.url, &few).await;
    simulator.says("wang", json!({ "text": "hello" })).await;
    simulator.answers("wang", 1).await;
    (ingress, worker, simulator)
}

#[tokio::test]
async fn health_names_every_part_with_its_state() {
    let services = Services::own().await;
    let (ingress, worker, _simulator) = after_one_message(&services).await;
    for (role, parts) in [
        (&ingress, &["queue"][..]),
        (&worker, &["database", "model", "queue", "state", "wecom"]),
    ] {
        let health = ready(role).await;
        let time = health["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        for part in parts {
            let found = &health["components"][*part];
            assert_eq!(found["status"], "healthy", "{part}: {health}");
            assert!(found["detail"].is_string(), "{part}: {health}");
            assert!(found["latency_ms"].is_number(), "{part}: {health}");
        }
    }
    let (_, about) = worker.get("/").await.unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        about,
        json!({ "name": "kefu", "version": version, "role": "worker" })
    );
    services.remove().await;
}

#[tokio::test]
async fn metrics_count_what_became_of_a_message() {
    let services = Services::own().await;
    let (ingress, worker, _simulator) = after_one_message(&services).await;
    let taken = ingress.metrics().await;
    let worked = eventually("depths are measured", async || {
        Some(worker.metrics().await).filter(|text| text.contains("kefu_queue_depth{"))
    })
    .await;
    for (metrics, name, labels) in [
        (
            &taken,
            "http_requests_total",
            &["path=\"/callback\"", "status=\"200\""][..],
        ),
        (
            &taken,
            "http_request_duration_seconds_count",
            &["path=\"/callback\""],
        ),
        (
            &taken,
            "kefu_callbacks_total",
            &["app=\"default\"", "outcome=\"queued\""],
        ),
        (&taken, "process_resident_memory_bytes", &[]),
        (&worked, "process_resident_memory_bytes", &[]),
        (
            &worked,
            "kefu_jobs_total",
            &["kind=\"kf.sync\"", "outcome=\"done\""],
        ),
        (
            &worked,
            "kefu_jobs_total",
            &["kind=\"kf.turn\"", "outcome=\"done\""],
        ),
        (&worked, "kefu_job_duration_seconds_count", &["kind=\"kf.sync\""]),
        (&worked, "kefu_job_duration_seconds_count", &["kind=\"kf.turn\""]),
        (&worked, "message_processed_total", &["outcome=\"answered\""]),
        (
            &worked,
            "kefu_wecom_calls_total",
            &["api=\"kf/send_msg\"", "outcome=\"ok\""],
        ),
    ] {
        assert!(
            1.0 <= metric(metrics, name, labels),
            "{name} {labels:?}: {metrics}"
        );
    }
    for lane in ["high", "medium", "low", "dead", "retry"] {
        let depth = format!("kefu_queue_depth{{lane=\"{lane}\"}}");
        assert!(worked.contains(&depth), "{depth}: {worked}");
    }
    services.remove().await;
}
