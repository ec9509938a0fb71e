//! A WeCom that says "too often": now and then for no reason, or because it was called too often.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Case, Plan, Play, size};
use crate::stage::Services;

/// The APIs of the path of a reply.
const APIS: [&str; 3] = ["kf/sync_msg", "kf/service_state/get", "kf/send_msg"];

/// Sends that meet a limit: all that are under way when the first is refused, twice if the minute ends meanwhile.
const REFUSED_MAX: u64 = 300;

/// Of the replies, 99 in 100 come within the pause after one that was refused twice, and what it takes to catch up.
#[tokio::test]
async fn s34_a_random_refusal_delays_no_reply_by_more_than_one_pause() {
    // A small run has a pause of 4 s; the rest is what a busy machine takes.
    let (one_in, p99_ms_max) = size((20, 30_000), (200, 75_000));
    let case = Case::begin("34", format!("45009 to one call in {one_in}, at random"));
    let plan = Plan {
        customers: size(20, 100),
        messages: size(100, 1_500),
        pause: size("500ms", "5s"),
        ..Plan::usual()
    };
    let plan = plan.set("KEFU_WORKER__RATE_PAUSE", size("4s", "60s"));
    let play = Play::start(Services::own().await, plan).await;
    for api in APIS {
        let often = json!({ "api": api, "kind": "error", "code": 45_009, "probability": 1.0 / f64::from(one_in), "seed": 34 });
        play.simulator.fault(often).await;
    }
    let report = play.end().await;
    let p99_ms = report["reply_p99_ms"].as_f64().unwrap();
    let note = format!("replies p99 {p99_ms} ms, at most {} ms", report["reply_max_ms"]);
    assert!(p99_ms < f64::from(p99_ms_max), "{note}");
    case.end(&report, None, note);
}

#[tokio::test]
async fn s34_a_limit_of_each_minute_is_used_and_not_met_again() {
    limited("34m", "in each minute of the clock", false).await;
}

#[tokio::test]
async fn s34_a_limit_that_blocks_for_a_minute_blocks_once() {
    limited("34b", "then blocked for a minute", true).await;
}

/// A backlog that would take the limit for minutes. In the normal test run a minute has five seconds, and how much of
/// it is used says more about the machine: there each reply has to come once, and the limit to be met.
async fn limited(number: &'static str, what: &str, blocks: bool) {
    const MINUTES: u32 = 2;
    let minute = Duration::from_secs(size(5, 60));
    let calls: u32 = size(30, 1_200);
    let case = Case::begin(
        number,
        format!("45009 beyond {calls} sends in {minute:?}, {what}"),
    );
    let messages = size(100, 4_000);
    let plan = Plan {
        // Everybody writes once: what waits together would be answered together.
        customers: messages,
        messages,
        ..Plan::usual()
    };
    let seconds = minute.as_secs();
    let per_minute = u64::from(calls) * 60 / seconds;
    let plan = plan
        .set("KEFU_WORKER__RATE_PAUSE", format!("{seconds}s"))
        .set("KEFU_WECOM__CALLS_PER_MINUTE", per_minute.to_string());
    let play = Play::start(Services::own().await, plan).await;
    let every = format!("{seconds}s");
    let limit =
        json!({ "api": "kf/send_msg", "kind": "limit", "calls": calls, "every": every, "blocks": blocks });
    play.simulator.fault(limit).await;
    if !cfg!(feature = "chaos") {
        let report = play.end().await;
        assert!(0 < refused(&report), "the limit was never met: {report}");
        return case.end(&report, None, format!("{} sends refused", refused(&report)));
    }
    let began_at = Instant::now();
    let (paused, resumed_at, before) = first_pause(&play, minute / 2).await;
    // The length of the measurement.
    sleep(minute * MINUTES).await;
    let sent = sends(&play.simulator.report().await) - before;
    let share = sent as f64 / (f64::from(calls) * resumed_at.elapsed().div_duration_f64(minute));
    let report = play.end().await;
    let note = format!(
        "{:.0} % of the limit in {MINUTES} min after a pause of {:.1} s; {} replies in {:.0} s, {} sends refused",
        share * 100.0,
        paused.as_secs_f64(),
        sends(&report),
        began_at.elapsed().as_secs_f64(),
        refused(&report),
    );
    assert!(0.9 <= share, "{note}");
    assert!(refused(&report) <= REFUSED_MAX, "{note}");
    case.end(&report, None, note);
}

/// How long the first pause of at least this time was, when it was over, and how many sends there were before.
async fn first_pause(play: &Play, shortest: Duration) -> (Duration, Instant, u64) {
    let mut last = (Instant::now(), 0);
    loop {
        let report: Value = play.simulator.report().await;
        if sends(&report) != last.1 {
            let still = last.0.elapsed();
            if 0 < refused(&report) && shortest < still {
                return (still, Instant::now(), last.1);
            }
            last = (Instant::now(), sends(&report));
        }
        assert!(
            report["answered"] != report["messages"],
            "the limit was never met"
        );
        // The pace of looking.
        sleep(Duration::from_millis(50)).await;
    }
}

fn sends(report: &Value) -> u64 {
    report["sends"].as_u64().unwrap()
}

fn refused(report: &Value) -> u64 {
    report["calls"]["kf/send_msg"].as_u64().unwrap_or_default() - sends(report)
}
