//! A bad line between the roles and all of their services at once.

use std::num::NonZeroUsize;
use std::time::Duration;

use kefu_faults::{FaultProxy, Faults};
use serde_json::Value;
use tokio::time::Instant;

use super::{Case, Plan, Play, size};
use crate::stage::{Services, moved};

/// From a request to its answer 200 ms ± 100 ms: in each direction half of it.
#[cfg(feature = "chaos")]
const SLOW: Faults = Faults {
    latency: Duration::from_millis(50),
    jitter: Duration::from_millis(100),
    slice: None,
    slice_pause: Duration::ZERO,
    black_hole: false,
    refuse: false,
    reset: 0.0,
    seed: 52,
};
/// Of the chunks to and from RabbitMQ, Redis and PostgreSQL. In use, each connection is reset in about 1 % of its
/// seconds: one to PostgreSQL carries ten chunks in a second, that to RabbitMQ what all slots do.
#[cfg(feature = "chaos")]
const RESETS: [f64; 3] = [0.0001, 0.001, 0.001];
/// Ten times as many: a page of 1,000 messages is fifty chunks, so every other one has to be stored again.
#[cfg(feature = "chaos")]
const MANY_RESETS: [f64; 3] = [0.001, 0.01, 0.01];

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s52_a_slow_line_that_breaks_again_and_again_costs_time_and_nothing_else() {
    let case = Case::begin(
        "52",
        "answers of all services after 200 ms ± 100 ms, resets in 1 % of the seconds",
    );
    let undisturbed = played([Faults::default(); 3]).await;
    let disturbed = played(RESETS.map(|reset| Faults { reset, ..SLOW })).await;
    let share = undisturbed.took.as_secs_f64() / disturbed.took.as_secs_f64();
    let note = format!(
        "{}; without faults {}: {:.0} % of the throughput",
        disturbed.note(),
        undisturbed.note(),
        share * 100.0
    );
    assert!(0.3 <= share, "{note}");
    case.end(&disturbed.report, Some(disturbed.recovery), note);
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s52_where_every_other_page_is_cut_off_nothing_is_lost_or_repeated() {
    let case = Case::begin(
        "52b",
        "answers of all services after 200 ms ± 100 ms, resets in 10 % of the seconds",
    );
    let played = played(MANY_RESETS.map(|reset| Faults { reset, ..SLOW })).await;
    case.end(&played.report, Some(played.recovery), played.note());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s53_packets_of_one_byte_are_read_as_well_as_any() {
    let case = Case::begin("53", "one byte a packet, to and from all services");
    let faults = Faults {
        slice: NonZeroUsize::new(1),
        ..Faults::default()
    };
    let played = played([faults; 3]).await;
    case.end(&played.report, Some(played.recovery), played.note());
}

/// How a script went.
struct Played {
    /// From the faults until everything was answered.
    took: Duration,
    /// From the end of the faults until every role was ready.
    recovery: Duration,
    /// To RabbitMQ, Redis and PostgreSQL, over all.
    connections: Vec<usize>,
    report: Value,
}

/// Plays a script. When a tenth of it is answered, the lines get these faults, and all connections have to be made anew.
async fn played(faults: [Faults; 3]) -> Played {
    let services = Services::own().await;
    let plan = Plan {
        customers: size(20, 300),
        messages: size(120, 3_000),
        pause: size("1s", "6s"),
        ..Plan::usual()
    }
    .set("KEFU_DATABASE__POOL", size("16", "64"))
    .set("KEFU_STATE__POOL", size("16", "64"));
    let messages = u64::from(plan.messages);
    let (lines, plan) = lines(&services, plan);
    let play = Play::start(services, plan).await;
    play.has_answered(messages / 10).await;
    let begun_at = Instant::now();
    for (line, faults) in lines.iter().zip(faults) {
        line.set(faults);
        line.cut();
    }
    play.has_answered(messages).await;
    let took = begun_at.elapsed();
    for line in &lines {
        line.clear();
    }
    let recovery = play.ready().await;
    Played {
        took,
        recovery,
        connections: lines.iter().map(FaultProxy::connections_total).collect(),
        report: play.end().await,
    }
}

impl Played {
    fn note(&self) -> String {
        format!(
            "{:.1} s, connections {:?}, replies p50 {} ms, p99 {} ms",
            self.took.as_secs_f64(),
            self.connections,
            self.report["reply_p50_ms"],
            self.report["reply_p99_ms"]
        )
    }
}

/// A line to RabbitMQ, Redis and PostgreSQL; the plan's settings lead there.
fn lines(services: &Services, mut plan: Plan) -> (Vec<FaultProxy>, Plan) {
    let mut lines = Vec::new();
    for (name, url) in [
        ("AMQP_URL", &services.amqp),
        ("REDIS_URL", &services.redis),
        ("DATABASE_URL", &services.postgres),
    ] {
        // Where it leads must be known before there is a port.
        let (place, _) = moved(url, 0);
        let line = FaultProxy::start(&place).unwrap();
        let (_, url) = moved(url, line.port());
        plan = plan.set(name, url);
        lines.push(line);
    }
    (lines, plan)
}
