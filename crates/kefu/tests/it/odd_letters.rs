//! Dead letters that PostgreSQL does not take as they are hold up no other.

use serde_json::{Value, json};

use crate::stage::{Services, eventually, worker};

/// An envelope of which nothing but these is odd.
fn envelope(version: u32, id: &str, kind: &str, payload: Value) -> String {
    json!({
        "v": version, "id": id, "kind": kind, "app": "default", "lane": "low", "dedup": null,
        "received_at_ms": 1, "attempt": 1, "replay": 0, "trace": null, "payload": payload,
    })
    .to_string()
}

async fn letters(services: &Services, state: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM dead_letter WHERE state = '{state}'");
    services.count(&sql).await
}

#[tokio::test]
async fn a_letter_whose_row_cannot_be_named_holds_up_no_replay() {
    let services = Services::own().await;
    let wecom = "http://127.0.0.1:1";
    let steps = ("KEFU_QUEUE__RETRY_STEPS", "100ms,200ms");
    let worker = worker(&services, wecom, &[steps]).await;
    worker.running.says("worker takes jobs").await;
    let refused = envelope(1, "bad", "kf.sync", json!({ "account": "a\u{0}b" }));
    services.publish("low", &refused).await;
    for number in 0..3 {
        let unknown = envelope(1, &format!("good{number}"), "kf.tomorrow", json!({}));
        services.publish("low", &unknown).await;
    }
    eventually("all are archived", async || {
        (letters(&services, "open").await == 4).then_some(())
    })
    .await;
    services
        .sql("UPDATE dead_letter SET state = 'replaying', state_at = 1, publish_at = seq")
        .await;
    eventually("all are replayed, and this one dies again at once", async || {
        let replayed = letters(&services, "replayed").await;
        let bad = "SELECT count(*) FROM dead_letter WHERE job_id = 'bad' AND replay = 1 AND state = 'open'";
        (replayed == 4 && services.count(bad).await == 1).then_some(())
    })
    .await;
    services.remove().await;
}

#[tokio::test]
async fn a_letter_with_an_endless_id_holds_up_no_other() {
    let services = Services::own().await;
    let wecom = "http://127.0.0.1:1";
    let steps = ("KEFU_QUEUE__RETRY_STEPS", "100ms,200ms");
    let worker = worker(&services, wecom, &[steps]).await;
    worker.running.says("worker takes jobs").await;
    // Without a pattern, or the index would compress it.
    let long: String = (0..6_000u32)
        .map(|number| char::from(b'a' + u8::try_from(number.wrapping_mul(2_654_435_761) >> 24).unwrap() % 26))
        .collect();
    services
        .publish("low", &envelope(99, &long, "kf.sync", json!({})))
        .await;
    services
        .publish("low", &envelope(1, "good", "kf.tomorrow", json!({})))
        .await;
    eventually("both are archived", async || {
        (letters(&services, "open").await == 2).then_some(())
    })
    .await;
    let by_hash = "SELECT count(*) FROM dead_letter WHERE job_id LIKE 'raw-%' AND length(job_id) = 44";
    assert_eq!(services.count(by_hash).await, 1);
    services.remove().await;
}
