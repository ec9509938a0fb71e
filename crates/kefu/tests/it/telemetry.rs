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

/// The line follows the answer that the customer sees.
async fn parts_sent(worker: &Role, count: usize) {
    eventually("the line of a part", async || {
        let sent = traces(&worker.running, "sent part", 0).len();
        (count <= sent).then_some(())
    })
    .await;
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
    parts_sent(&worker, 1).await;
    let heard = ingress.running.log().len();
    simulator.says("wang", json!({ "text": "hunter2 second" })).await;
    simulator.answers("wang", 2).await;
    parts_sent(&worker, 2).await;

    let callback = traces(&ingress.running, "queued callback", heard);
    assert_eq!((callback.len(), callback[0].len()), (1, 32), "{callback:?}");
    for part in ["pulled a page", "turn begins", "sent part"] {
        let found = traces(&worker.running, part, 0);
        assert!(found.contains(&callback[0]), "{part}: {found:?}, {callback:?}");
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
    for (role, name, labels) in [
        (
            &ingress,
            "http_requests_total",
            &["path=\"/callback\"", "status=\"200\""][..],
        ),
        (
            &ingress,
            "http_request_duration_seconds_count",
            &["path=\"/callback\""],
        ),
        (
            &ingress,
            "kefu_callbacks_total",
            &["app=\"default\"", "outcome=\"queued\""],
        ),
        (&ingress, "process_resident_memory_bytes", &[]),
        (&worker, "process_resident_memory_bytes", &[]),
        (
            &worker,
            "kefu_jobs_total",
            &["kind=\"kf.sync\"", "outcome=\"done\""],
        ),
        (
            &worker,
            "kefu_jobs_total",
            &["kind=\"kf.turn\"", "outcome=\"done\""],
        ),
        (&worker, "kefu_job_duration_seconds_count", &["kind=\"kf.sync\""]),
        (&worker, "kefu_job_duration_seconds_count", &["kind=\"kf.turn\""]),
        (&worker, "message_processed_total", &["outcome=\"answered\""]),
        (
            &worker,
            "kefu_wecom_calls_total",
            &["api=\"kf/send_msg\"", "outcome=\"ok\""],
        ),
    ] {
        // Counted when the job has ended, a moment after the customer saw the answer.
        eventually(&format!("{name} {labels:?}"), async || {
            (1.0 <= metric(&role.metrics().await, name, labels)).then_some(())
        })
        .await;
    }
    for lane in ["high", "medium", "low", "dead", "retry"] {
        let depth = format!("kefu_queue_depth{{lane=\"{lane}\"}}");
        eventually(&depth, async || {
            worker.metrics().await.contains(&depth).then_some(())
        })
        .await;
    }
    services.remove().await;
}
