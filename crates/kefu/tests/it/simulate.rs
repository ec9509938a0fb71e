//! The simulated WeCom as a command: whom it calls, and who learns that nobody is there.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{Simulator, both_roles, eventually, http, kefu};

/// A port where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9/callback";

#[tokio::test]
async fn without_anybody_to_call_it_says_so_at_once_and_ends_soon() {
    let started_at = Instant::now();
    let call = kefu(&[
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--once",
        "--json",
        "--callback",
        NOBODY,
    ]);
    let running = call.start().await;
    let line = running.says("nothing answers at").await;
    assert!(
        started_at.elapsed() < Duration::from_secs(10),
        "{:?}",
        started_at.elapsed()
    );
    let message = line["message"].as_str().unwrap();
    for part in [NOBODY, "connection refused", "kefu run"] {
        assert!(message.contains(part), "{message}");
    }
    let ended = running.ended_within(Duration::from_secs(40)).await;
    ended.check_code(1);
    assert_eq!(ended.text(), "", "nothing was played, so there are no totals");
    assert!(ended.stderr.last().unwrap().contains(NOBODY), "{ended:?}");
    let lines = ended
        .stderr
        .iter()
        .filter(|line| line.contains("nothing answers"));
    assert_eq!(lines.count(), 1, "it is not said again and again");
}

#[tokio::test]
async fn started_before_kefu_it_waits_for_it_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::play_and_stay(2, 8, NOBODY).await;
    let trouble = async || -> Value {
        let url = format!("{}/simulator", simulator.url);
        let about: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        about["callback_trouble"].clone()
    };
    eventually("the page can tell", async || {
        (trouble().await["code"] == "nobody").then_some(())
    })
    .await;
    assert_eq!(simulator.report().await["customer_messages"], 0);
    let model = format!("{}/v1", simulator.url);
    let kefu = both_roles(folder.path(), &simulator, &[("KEFU_AI__BASE_URL", &model)]).await;
    let totals = simulator.totals().await;
    let counted = ["messages", "answered", "lost", "duplicated"].map(|key| totals[key].as_u64().unwrap());
    assert_eq!(counted, [8, 8, 0, 0], "{totals}");
    assert_eq!(trouble().await, Value::Null);
    drop(kefu);
}
