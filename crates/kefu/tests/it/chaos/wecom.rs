//! A WeCom that is slow, cuts calls off, is out of order, or does not call.

#[cfg(feature = "chaos")]
use std::time::Duration;

use serde_json::{Value, json};
#[cfg(feature = "chaos")]
use sqlx::{Connection, PgConnection};
#[cfg(feature = "chaos")]
use tokio::time::{Instant, sleep};

use super::{Case, Plan, Play, size};
use crate::stage::Services;
#[cfg(feature = "chaos")]
use crate::stage::{eventually, metric};

#[tokio::test]
async fn s30_every_second_send_accepted_and_cut_off_is_seen_once() {
    let case = Case::begin("30", "half of all sends accepted, then cut off");
    let plan = Plan {
        customers: size(15, 500),
        messages: size(100, 10_000),
        ..Plan::usual()
    };
    // A break after five cuts in a row is none of the scenario's.
    let play = Play::start(
        Services::own().await,
        plan.set("KEFU_WORKER__BREAKER_WAIT", "500ms"),
    )
    .await;
    let cut = json!({ "api": "kf/send_msg", "kind": "cut", "applied": true, "probability": 0.5, "seed": 30 });
    play.simulator.fault(cut).await;
    let report = play.end().await;
    let repeated: u64 = refusals(&report);
    let sends = report["calls"]["kf/send_msg"].as_u64().unwrap();
    assert!(size(10, 1_000) <= repeated, "{report}");
    let note = format!(
        "{sends} sends, {repeated} refused as repeated, {}",
        times(&report)
    );
    case.end(&report, None, note);
}

fn refusals(report: &Value) -> u64 {
    let refused = report["sends_refused"].as_object().unwrap().values();
    refused.map(|count| count.as_u64().unwrap()).sum()
}

fn times(report: &Value) -> String {
    format!(
        "replies p99 {} ms, at most {} ms",
        report["reply_p99_ms"], report["reply_max_ms"]
    )
}

/// While sends take 10 s or run into their time limit, and the turns of all customers of the script with them, what
/// further customers write is stored as fast as ever.
#[cfg(feature = "chaos")]
#[tokio::test]
async fn s29_slow_sends_hold_up_the_lane_of_turns_and_not_that_of_pulls() {
    /// Of one wave: more than both workers have slots in the lane of turns.
    const CUSTOMERS: u32 = 300;
    const NORMAL: Duration = Duration::from_secs(20);
    const SLOW: Duration = Duration::from_secs(60);
    let case = Case::begin("29", "sends take 10 s in the median, 60 s long");
    let plan = Plan {
        customers: CUSTOMERS,
        messages: 9_000,
        pause: "10s",
        ..Plan::usual()
    };
    let mut play = Play::start(Services::own().await, plan).await;
    play.has_answered(500).await;
    let normal = stored_after(&mut play, Instant::now() + NORMAL).await;
    // Half of them come in time, half of them too late. (A slow model ends in the fallback, which is no answer here.)
    for (delay, probability) in [("14s", 0.5), ("6s", 1.0)] {
        let fault =
            json!({ "api": "kf/send_msg", "kind": "delay", "delay": delay, "probability": probability });
        play.simulator.fault(fault).await;
    }
    let slow_until = Instant::now() + SLOW;
    // All slots of the lane of turns have something slow to do.
    eventually("the lane of turns is stuck", async || {
        (1 <= waiting(&play, "medium").await).then_some(())
    })
    .await;
    let stuck_after = SLOW - slow_until.saturating_duration_since(Instant::now());
    let stuck = stored_after(&mut play, slow_until).await;
    let behind = waiting(&play, "medium").await;
    play.simulator.clear_faults().await;
    let cleared_at = Instant::now();
    let report = play.end().await;
    let recovery = cleared_at.elapsed();
    let (before, during) = (p99(&normal), p99(&stuck));
    assert!(
        during <= 2 * before.max(Duration::from_millis(50)),
        "{during:?}, normal {before:?}"
    );
    let note = format!(
        "stored after p50 {:.0?}, p99 {during:.0?}; normal p50 {:.0?}, p99 {before:.0?}; turns stuck after {:.0} s, {behind} behind; {}",
        p50(&stuck),
        p50(&normal),
        stuck_after.as_secs_f64(),
        times(&report)
    );
    case.end(&report, Some(recovery), note);
}

/// How long it takes from a customer's message until it is stored, one after the other until then, sorted.
#[cfg(feature = "chaos")]
async fn stored_after(play: &mut Play, until: Instant) -> Vec<Duration> {
    const STORED: &str = "SELECT count(*) FROM message WHERE msgid = $1";
    let mut connection = PgConnection::connect(&play.services.postgres).await.unwrap();
    let mut all = Vec::new();
    while Instant::now() < until {
        let said_at = Instant::now();
        let msgid = play.say_one_more().await;
        loop {
            let stored = sqlx::query_scalar(STORED).bind(&msgid);
            let stored: i64 = stored.fetch_one(&mut connection).await.unwrap();
            if stored == 1 {
                break;
            }
            assert!(said_at.elapsed() < Duration::from_secs(60), "not stored");
            // The pace of looking.
            sleep(Duration::from_millis(2)).await;
        }
        all.push(said_at.elapsed());
        // The pace of writing.
        sleep(Duration::from_millis(20)).await;
    }
    all.sort_unstable();
    all
}

#[cfg(feature = "chaos")]
fn p50(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

#[cfg(feature = "chaos")]
fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

/// Jobs in a lane that no slot has taken.
#[cfg(feature = "chaos")]
async fn waiting(play: &Play, lane: &str) -> u64 {
    let queues = play.services.queues().await;
    let name = format!("{}.{lane}", play.services.prefix);
    let queue = queues.iter().find(|queue| queue["name"] == name.as_str());
    queue
        .and_then(|queue| queue["messages_ready"].as_u64())
        .unwrap_or_default()
}

/// The APIs of the path of a reply.
#[cfg(feature = "chaos")]
const APIS: [&str; 4] = ["gettoken", "kf/sync_msg", "kf/service_state/get", "kf/send_msg"];

#[cfg(feature = "chaos")]
#[tokio::test]
async fn s31_a_storm_of_errors_is_met_with_few_calls_and_all_are_answered_after_it() {
    const HALF: Duration = Duration::from_secs(45);
    let case = Case::begin("31", "-1 and 5xx on all APIs: 45 s most, then 45 s all calls");
    // Nobody writes more often than WeCom lets us answer: after the storm pages come one by one, and each may bring a
    // customer another reply.
    let plan = Plan {
        customers: 2_500,
        pause: "8s",
        ..Plan::usual()
    };
    let play = Play::start(Services::own().await, plan).await;
    play.has_answered(500).await;
    let mut rates = Vec::new();
    for share in [0.8, 1.0] {
        for api in APIS {
            let busy = json!({ "api": api, "kind": "error", "code": -1, "probability": 0.5, "seed": 31 });
            let status = json!({ "api": api, "kind": "status", "status": 503, "probability": share });
            play.simulator.fault(busy).await;
            play.simulator.fault(status).await;
        }
        let before = calls(&play).await;
        // The length of the fault.
        sleep(HALF).await;
        rates.push((calls(&play).await - before) / HALF.as_secs_f64());
        play.simulator.clear_faults().await;
    }
    let cleared_at = Instant::now();
    let answered = play.answered().await;
    play.ready().await;
    let report = play.end().await;
    let recovery = cleared_at.elapsed();
    // While nothing works a breaker of each worker lets one call through now and then.
    assert!(rates[1] < 5.0, "{rates:?} calls/s");
    let note = format!(
        "calls/s while most fail {:.1}, while all fail {:.1}; {answered} answered by then, the rest within {:.1} s",
        rates[0],
        rates[1],
        recovery.as_secs_f64()
    );
    case.end(&report, Some(recovery), note);
}

/// Calls to WeCom of all workers so far.
#[cfg(feature = "chaos")]
async fn calls(play: &Play) -> f64 {
    let mut calls = 0.0;
    for worker in &play.workers {
        calls += metric(&worker.metrics().await, "kefu_wecom_calls_total", &[]);
    }
    calls
}

#[cfg(feature = "chaos")]
#[tokio::test]
async fn s38_messages_without_any_callback_are_found_by_the_slow_poll() {
    const ANSWERED_WITHIN_MS: f64 = 120_000.0;
    let case = Case::begin("38", "no callback at all, for 60 s and to the end");
    let plan = Plan {
        customers: 60,
        messages: 900,
        pause: "10s",
        ..Plan::usual()
    };
    let play = Play::start(Services::own().await, plan).await;
    play.simulator
        .fault(json!({ "api": "callback", "kind": "drop" }))
        .await;
    let report = play.end().await;
    // Nobody pulls again by chance: whoever was answered late was found by the poll.
    let (dropped, latest) = (
        &report["callbacks_dropped"],
        report["reply_max_ms"].as_f64().unwrap(),
    );
    assert!(100 <= dropped.as_u64().unwrap(), "{report}");
    assert!(30_000.0 < latest && latest < ANSWERED_WITHIN_MS, "{report}");
    let note = format!(
        "{dropped} callbacks dropped; replies p50 {} ms, {}",
        report["reply_p50_ms"],
        times(&report)
    );
    case.end(&report, None, note);
}
