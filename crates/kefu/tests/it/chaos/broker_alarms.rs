//! A broker that takes nothing because it is short of memory or disk: consumers go on, callbacks go to the disk spool.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::broker::Siege;
use super::{Case, Plan, Play, size};
use crate::stage::{Role, eventually, metric};

/// Of turns, over both workers: few, so that turns wait in their lane when the alarm begins.
const TURN_SLOTS: usize = 4;
const TURNS_WAITING: i64 = 20;
/// Conversations with something to answer.
const WAITING: &str = "SELECT count(*) FROM conversation WHERE wake_at IS NOT NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_a_memory_alarm_stops_no_callback_and_no_consumer() {
    let alarm = Alarm {
        raise: &["set_vm_memory_high_watermark", "0.00001"],
        clear: &["set_vm_memory_high_watermark", "0.4"],
        reason: "low on memory",
    };
    let case = Case::begin(
        "8",
        size("memory alarm for 6 s", "memory alarm for 60 s, 100 callbacks/s"),
    );
    let (report, recovery, note) = alarm.play("s08").await;
    case.end(&report, Some(recovery), note);
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_a_disk_alarm_stops_no_callback_and_no_consumer() {
    let alarm = Alarm {
        raise: &["set_disk_free_limit", "1000000000000000"],
        clear: &["set_disk_free_limit", "200MB"],
        reason: "low on disk",
    };
    let case = Case::begin("9", "disk alarm for 60 s, 100 callbacks/s");
    let (report, recovery, note) = alarm.play("s09").await;
    case.end(&report, Some(recovery), note);
}

struct Alarm {
    /// For `rabbitmqctl`.
    raise: &'static [&'static str],
    clear: &'static [&'static str],
    reason: &'static str,
}

impl Alarm {
    /// The totals, the time from the end of the alarm until all were well, and figures for the table.
    async fn play(&self, name: &'static str) -> (Value, Duration, String) {
        let plan = Plan {
            pause: size("2s", "15s"),
            ..Plan::usual()
        }
        .set("KEFU_WORKER__SLOTS__MEDIUM", (TURN_SLOTS / 2).to_string())
        // Turns are slow; the callers' events do not wait behind them.
        .set("KEFU_INGRESS__LANES__VIEW", "low");
        let mut siege = Siege::begin_with(name, plan).await;
        // The slots are busy thinking while turns pile up behind them.
        siege.play.simulator.think("8s").await;
        // On a busy machine the script may be over by now.
        for _ in 0..TURNS_WAITING {
            siege.play.somebody_new_says().await;
        }
        eventually("turns wait", async || {
            (TURNS_WAITING <= siege.play.services.count(WAITING).await).then_some(())
        })
        .await;

        siege.broker.rabbitmqctl(self.raise).await;
        let raised_at = Instant::now();
        let done_before = turns_done(&siege.play).await;
        siege.play.simulator.clear_faults().await;
        // An ack that the alarm holds up would leave its slot without a second job.
        eventually("consumers go on", async || {
            let done = turns_done(&siege.play).await - done_before;
            (2.0 * TURN_SLOTS as f64 <= done).then_some(())
        })
        .await;
        self.is_said(&siege.play.ingress).await;
        let said_after = raised_at.elapsed();
        sleep_until(raised_at + size(Duration::from_secs(6), Duration::from_secs(60))).await;
        self.is_said(&siege.play.ingress).await;
        // A worker that has published nothing meanwhile was not told, and lacks nothing.
        for worker in &siege.play.workers {
            assert_eq!(worker.get("/health/ready").await.unwrap().0, 200);
        }
        siege.broker.rabbitmqctl(self.clear).await;
        let cleared_at = Instant::now();
        for role in siege.play.workers.iter().chain([&siege.play.ingress]) {
            is_healthy(role).await;
        }
        let recovery = cleared_at.elapsed();
        for worker in &siege.play.workers {
            let lines = worker.running.stderr();
            let late = lines.iter().find(|line| line.contains("did not reach the queue"));
            assert_eq!(late, None);
        }
        let (report, note) = siege.end().await;
        (
            report,
            recovery,
            format!("{note}; said after {:.1} s", said_after.as_secs_f64()),
        )
    }

    /// Ready all the same, and health gives the reason.
    async fn is_said(&self, role: &Role) {
        eventually(self.reason, async || {
            let (_, health) = role.get("/health").await?;
            let queue = &health["components"]["queue"];
            let says = queue["detail"].as_str()?.contains(self.reason);
            (says && queue["status"] == "degraded").then_some(())
        })
        .await;
        assert_eq!(role.get("/health/ready").await.unwrap().0, 200);
    }
}

/// Nothing waits in the spool any more, either.
async fn is_healthy(role: &Role) {
    eventually("the role is healthy", async || {
        let (_, health) = role.get("/health").await?;
        let well = |component: &str| {
            let found = &health["components"][component]["status"];
            found.is_null() || found == "healthy"
        };
        (well("queue") && well("spool")).then_some(())
    })
    .await;
}

async fn turns_done(play: &Play) -> f64 {
    let mut done = 0.0;
    for worker in &play.workers {
        let labels = ["kind=\"kf.turn\"", "outcome=\"done\""];
        done += metric(&worker.metrics().await, "kefu_jobs_total", &labels);
    }
    done
}
