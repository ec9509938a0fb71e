//! Redis killed, frozen and wiped under a whole Kefu: everything in it is made again, nothing else rests on it.

#[cfg(feature = "chaos")]
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Case, Plan, Play, size};
use crate::stage::{Instance, Services};
#[cfg(feature = "chaos")]
use crate::stage::{Role, eventually, metric};

#[tokio::test]
async fn s20_a_redis_that_is_never_there_costs_no_message_and_little_time() {
    let case = Case::begin("20", "Redis killed before the start, away to the end");
    #[cfg(feature = "chaos")]
    let undisturbed = undisturbed().await;
    let redis = Instance::start("s20", &["redis"]).await;
    let services = Services::with(&[&redis]).await;
    redis.kill("redis").await;
    let started_at = Instant::now();
    let play = Play::start(services, Plan::usual()).await;
    play.workers[0].running.says("memory stands in").await;
    play.simulator.totals().await;
    let took = started_at.elapsed();
    let report = play.end().await;
    let note = format!("{:.1} s, {}", took.as_secs_f64(), times(&report));
    #[cfg(feature = "chaos")]
    let note = {
        let (normal, before) = undisturbed;
        assert!(took <= 2 * normal, "{took:?}, undisturbed {normal:?}");
        let extra = reply_max(&report) - reply_max(&before);
        assert!(
            extra <= 2_000.0,
            "{} against {} undisturbed",
            times(&report),
            times(&before)
        );
        format!(
            "{note}; undisturbed {:.1} s, {}",
            normal.as_secs_f64(),
            times(&before)
        )
    };
    case.end(&report, None, note);
}

/// The same plan with a Redis: how long it took, and the totals.
#[cfg(feature = "chaos")]
async fn undisturbed() -> (Duration, Value) {
    let started_at = Instant::now();
    let play = Play::start(Services::own().await, Plan::usual()).await;
    play.simulator.totals().await;
    let took = started_at.elapsed();
    (took, play.end().await)
}

#[cfg(feature = "chaos")]
#[tokio::test]
async fn s21_a_frozen_redis_is_stood_in_for_by_memory_and_taken_back() {
    const FROZEN: Duration = Duration::from_secs(20);
    let case = Case::begin("21", "Redis SIGSTOP, 20 s");
    let redis = Instance::start("s21", &["redis"]).await;
    let play = Play::start(Services::with(&[&redis]).await, Plan::usual()).await;
    play.has_answered(1_000).await;
    redis.freeze("redis").await;
    let frozen_at = Instant::now();
    degraded(&play.workers, 1.0).await;
    let noticed = frozen_at.elapsed();
    assert!(noticed <= Duration::from_secs(3), "noticed after {noticed:?}");
    for worker in &play.workers {
        state_is(worker, "degraded").await;
    }
    let said = frozen_at.elapsed();
    assert_eq!(play.workers[0].get("/health/ready").await.unwrap().0, 200);
    // The length of the fault.
    tokio::time::sleep_until(frozen_at + FROZEN).await;
    let before = play.answered().await;
    redis.thaw("redis").await;
    let thawed_at = Instant::now();
    degraded(&play.workers, 0.0).await;
    let recovery = thawed_at.elapsed();
    assert!(recovery <= Duration::from_secs(5), "back after {recovery:?}");
    for worker in &play.workers {
        state_is(worker, "healthy").await;
    }
    let report = play.end().await;
    let note = format!(
        "noticed after {:.1} s, in /health after {:.1} s; {before} answered by the end of it; {}",
        noticed.as_secs_f64(),
        said.as_secs_f64(),
        times(&report)
    );
    case.end(&report, Some(recovery), note);
}

#[cfg(feature = "chaos")]
async fn degraded(workers: &[Role], expected: f64) {
    eventually("every worker knows about Redis", async || {
        for worker in workers {
            if metric(&worker.metrics().await, "kefu_state_degraded", &[]) != expected {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[cfg(feature = "chaos")]
async fn state_is(worker: &Role, status: &str) {
    eventually("health tells about Redis", async || {
        let (_, health) = worker.get("/health").await?;
        (health["components"]["state"]["status"] == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn s22_a_redis_that_forgets_everything_again_and_again_repeats_nothing() {
    let every = size(500, 5_000);
    let case = Case::begin("22", format!("Redis wiped every {every} ms"));
    let redis = Instance::start("s22", &["redis"]).await;
    let play = Play::start(Services::with(&[&redis]).await, Plan::usual()).await;
    // The pace of the fault.
    let mut ticks = interval(std::time::Duration::from_millis(every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wiped = 0;
    while play.answered().await < u64::from(Plan::usual().messages) {
        ticks.tick().await;
        play.services.flush_redis().await;
        wiped += 1;
    }
    let report = play.end().await;
    assert!(2 <= wiped, "wiped {wiped} times");
    case.end(&report, None, format!("{wiped} times, {}", times(&report)));
}

#[cfg(feature = "chaos")]
fn reply_max(report: &Value) -> f64 {
    report["reply_max_ms"].as_f64().unwrap()
}

fn times(report: &Value) -> String {
    format!(
        "replies p99 {} ms, at most {} ms",
        report["reply_p99_ms"], report["reply_max_ms"]
    )
}
