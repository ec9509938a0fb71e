//! Outages in which PostgreSQL still answers: it takes some writes and refuses others, or has become read-only.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::{Case, Plan, Play, size};
use crate::stage::{Role, Services, eventually, metric};

/// What a worker says when work fails although the database answers, and when it goes on; the second where no job of
/// that lane was left.
const CLOSED: &[&str] = &["database failed the work again soon after it had answered"];
const OPENED: &[&str] = &[
    "database does its work again",
    "there is no job to try its work with",
];

/// Every write of one table ends as on a full disk, everything else works.
const FULL: &str = "
    CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END $$;
    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON outbox FOR EACH STATEMENT EXECUTE FUNCTION full_disk();";
const ROOM: &str = "DROP TRIGGER full_disk ON outbox";

#[tokio::test]
async fn s27_one_table_that_takes_no_write_stops_the_work_and_spends_nothing() {
    let case = Case::begin("27", "one table refused as on a full disk");
    let play = Play::start(Services::own().await, Plan::usual()).await;
    play.has_answered(size(20, 1_000)).await;
    play.services.sql(FULL).await;
    eventually("a worker takes no jobs and says why", async || {
        for worker in &play.workers {
            if said(worker, CLOSED) && is_not_ready(worker).await {
                return Some(());
            }
        }
        None
    })
    .await;
    // The length of the fault: many tries.
    sleep(size(Duration::from_secs(4), Duration::from_secs(60))).await;
    play.services.sql(ROOM).await;
    let recovery = play.ready().await;
    play.simulator.totals().await;
    for worker in &play.workers {
        assert_eq!(said(worker, CLOSED), said(worker, OPENED));
        let metrics = worker.metrics().await;
        let given_back = metric(&metrics, "kefu_jobs_total", &["outcome=\"interrupted\""]);
        assert_eq!(given_back, 0.0, "deliveries were spent");
    }
    let report = play.end().await;
    case.end(&report, Some(recovery), "no delivery spent");
}

/// Each of them closes the gate, which gives back what was sent ahead and is counted as delivered.
#[cfg(feature = "chaos")]
#[tokio::test]
async fn s27_fifty_outages_in_a_row_bury_nothing() {
    let case = Case::begin("27", "one table refused as on a full disk for 5 s, 50 times");
    // The script lasts about ten times as long.
    let plan = Plan {
        pause: "40s",
        ..Plan::usual()
    };
    let play = Play::start(Services::own().await, plan).await;
    play.has_answered(500).await;
    let mut answered = play.answered().await;
    for number in 0..50 {
        play.services.sql(FULL).await;
        sleep(Duration::from_secs(5)).await;
        play.services.sql(ROOM).await;
        sleep(Duration::from_secs(3)).await;
        if number % 10 == 9 {
            let now = play.answered().await;
            assert!(answered < now, "nothing was answered in ten outages");
            answered = now;
        }
    }
    let recovery = play.ready().await;
    play.simulator.totals().await;
    play.all_answered().await;
    let letters = play.services.count("SELECT count(*) FROM dead_letter").await;
    assert_eq!(letters, 0);
    let report = play.end().await;
    case.end(&report, Some(recovery), "no letter");
}

/// Whether it has said one of these.
fn said(worker: &Role, parts: &[&str]) -> bool {
    let says = |line: &Value| {
        let text = line["message"].as_str().unwrap_or_default();
        parts.iter().any(|part| text.contains(part))
    };
    worker.running.log().iter().any(says)
}

/// And names the fault.
async fn is_not_ready(worker: &Role) -> bool {
    let names_it = |reason: &Value| {
        let reason = reason.as_str().unwrap_or_default();
        reason.starts_with("database") && reason.contains("No space left on device")
    };
    match worker.get("/health/ready").await {
        Some((503, ready)) => ready["reasons"]
            .as_array()
            .is_some_and(|all| all.iter().any(names_it)),
        _ => false,
    }
}
