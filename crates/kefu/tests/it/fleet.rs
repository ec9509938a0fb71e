//! Ingress and workers as processes of their own, on RabbitMQ, Redis and PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::stage::{Ended, Role, Services, Simulator, eventually, ingress, worker};

const DRAIN_MAX: Duration = Duration::from_secs(15);

/// Few retry steps: each costs the broker three queues.
const FEW_STEPS: (&str, &str) = ("KEFU_QUEUE__RETRY_STEPS", "1s,5s");

#[track_caller]
fn check(ended: &Ended, customers: u64, messages: u64) {
    ended.check_code(0);
    check_totals(&ended.json(), customers, messages);
}

#[track_caller]
fn check_totals(report: &Value, customers: u64, messages: u64) {
    let keys = [
        "customers",
        "messages",
        "answered",
        "lost",
        "duplicated",
        "misdirected",
    ];
    let totals = keys.map(|key| report[key].as_u64().unwrap());
    assert_eq!(totals, [customers, messages, messages, 0, 0, 0], "{report}");
}

async fn stop(roles: Vec<Role>) {
    for role in &roles {
        role.running.terminate().await;
    }
    for role in roles {
        role.running.ended_within(DRAIN_MAX).await.check_code(0);
    }
}

/// Waits for the middle of the load: some are answered, most are not, and turns are under way.
async fn under_load(simulator: &Simulator) {
    let answered = eventually("the first answers", async || {
        simulator.report().await["answered"]
            .as_u64()
            .filter(|count| 10 <= *count)
    })
    .await;
    assert!(
        answered < 150,
        "too late to be in the middle: {answered} are answered"
    );
}

/// Names and waiting messages. The management page counts every 5 s.
async fn drained(services: &Services) -> Vec<Value> {
    eventually("all queues are empty", async || {
        let queues = services.queues().await;
        let empty = |queue: &Value| queue["messages"].as_u64() == Some(0);
        (!queues.is_empty() && queues.iter().all(empty)).then_some(queues)
    })
    .await
}

#[tokio::test]
async fn an_ingress_and_two_workers_answer_every_message_exactly_once() {
    let services = Services::own().await;
    let ingress = ingress(&services, &[]).await;
    let simulator = Simulator::play_and_stay(30, 300, &ingress.callback_url()).await;
    let workers = [
        worker(&services, &simulator.url, &[]).await,
        worker(&services, &simulator.url, &[]).await,
    ];
    check_totals(&simulator.totals().await, 30, 300);

    let queues = drained(&services).await;
    let names: BTreeSet<String> = queues
        .iter()
        .map(|queue| queue["name"].as_str().unwrap().to_owned())
        .collect();
    let mut expected: BTreeSet<String> = ["high", "medium", "low", "dead"]
        .map(|name| format!("{}.{name}", services.prefix))
        .into();
    for lane in ["high", "medium", "low"] {
        expected.extend(
            ["5s", "30s", "2m", "10m", "1h"].map(|step| format!("{}.retry.{lane}.{step}", services.prefix)),
        );
    }
    assert_eq!(names, expected);
    for queue in &queues {
        assert_eq!(
            (queue["type"].as_str(), &queue["durable"]),
            (Some("quorum"), &Value::Bool(true)),
            "{queue}"
        );
        assert_eq!(queue["arguments"]["x-overflow"], "reject-publish", "{queue}");
    }
    let [first, second] = workers;
    stop(vec![ingress, first, second]).await;
    services.remove().await;
}

#[tokio::test]
async fn all_roles_stop_under_load_in_time_and_their_successors_answer_the_rest() {
    let services = Services::own().await;
    let first = ingress(&services, &[FEW_STEPS]).await;
    let simulator = Simulator::play(20, 200, &first.callback_url()).await;
    simulator.think("300ms").await;
    let more = [FEW_STEPS, ("KEFU_WORKER__SLOTS__MEDIUM", "2")];
    let workers = [
        worker(&services, &simulator.url, &more).await,
        worker(&services, &simulator.url, &more).await,
    ];
    under_load(&simulator).await;
    let [one, two] = workers;
    stop(vec![first, one, two]).await;

    let second = ingress(&services, &[FEW_STEPS]).await;
    simulator.call_back(&second.callback_url()).await;
    let workers = [
        worker(&services, &simulator.url, &more).await,
        worker(&services, &simulator.url, &more).await,
    ];
    check(&simulator.ended().await, 20, 200);
    let [one, two] = workers;
    stop(vec![second, one, two]).await;
    services.remove().await;
}

#[tokio::test]
async fn a_worker_that_is_killed_loses_nothing_and_repeats_nothing() {
    let services = Services::own().await;
    let ingress = ingress(&services, &[FEW_STEPS]).await;
    let simulator = Simulator::play(20, 200, &ingress.callback_url()).await;
    simulator.think("300ms").await;
    let more = [FEW_STEPS, ("KEFU_WORKER__SLOTS__MEDIUM", "2")];
    let victim = worker(&services, &simulator.url, &more).await;
    let witness = worker(&services, &simulator.url, &more).await;
    under_load(&simulator).await;
    victim.running.kill().await;
    let successor = worker(&services, &simulator.url, &more).await;
    check(&simulator.ended().await, 20, 200);
    stop(vec![ingress, witness, successor]).await;
    services.remove().await;
}
