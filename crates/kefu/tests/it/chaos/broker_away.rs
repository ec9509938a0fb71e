//! A broker away or silent for long: nothing piles up in those who wait for it. Full size only.

use std::time::Duration;

use kefu_faults::{FaultProxy, free_port};
use tokio::time::{Instant, sleep};

use super::broker::{Siege, not_ready, roles};
use super::{Case, Plan, Play};
use crate::stage::{Services, Usage, eventually, moved};

/// Connections that who calls 100 times a second may hold open.
const CALLERS_MAX: i64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s06_a_broker_away_for_long_is_found_again_and_nothing_has_piled_up() {
    let case = Case::begin("6", "broker away for 5 min, 100 callbacks/s");
    // Small pools, which are full before the fault: what grows afterwards is a leak.
    let plan = Plan {
        pause: "40s",
        ..Plan::usual()
    }
    .set("KEFU_DATABASE__POOL", "4")
    .set("KEFU_STATE__POOL", "4")
    .set("KEFU_WORKER__SLOTS__HIGH", "2")
    .set("KEFU_WORKER__SLOTS__MEDIUM", "4");
    let siege = Siege::begin_with("s06", plan).await;
    siege.play.has_answered(1_000).await;
    let before = usages(&siege.play);
    siege.broker.kill("rabbitmq").await;
    let last = siege.play.services.count("SELECT max(seq) FROM message").await;
    sleep(Duration::from_secs(300)).await;
    let away = usages(&siege.play);
    let recovery = siege.returns().await;
    siege.check_reconnected(recovery);
    let back_at = Instant::now();
    let owed = format!(
        "SELECT count(*) FROM message WHERE origin = 'customer' AND handled IS NULL AND seq <= {last}"
    );
    eventually("what was owed is answered", async || {
        (siege.play.services.count(&owed).await == 0).then_some(())
    })
    .await;
    // However long the broker was away, the rows have not been put off meanwhile.
    assert!(
        back_at.elapsed() < Duration::from_secs(30),
        "{:?}",
        back_at.elapsed()
    );
    siege.play.has_answered(9_000).await;
    let after = usages(&siege.play);
    for grown in [growth(&before, &away), growth(&before, &after)] {
        assert!(grown.threads <= 5, "{before:?} {away:?} {after:?}");
    }
    // The ingress comes last, and its callers keep connections open: more while it is slow, fewer later.
    let workers = before.len() - 1;
    assert!(
        growth(&before[..workers], &after[..workers]).files <= 10
            && growth(&before, &after).files <= CALLERS_MAX,
        "{before:?} {away:?} {after:?}"
    );
    let (report, note) = siege.end().await;
    let grown = growth(&before, &after);
    let note = format!(
        "{note}; threads {:+}, open files {:+}",
        grown.threads, grown.files
    );
    case.end(&report, Some(recovery), note);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s07_a_peer_that_takes_connections_and_is_silent_costs_no_threads() {
    let case = Case::begin("7", "broker silent for 90 s, connections are taken");
    let services = Services::own().await;
    let port = free_port().unwrap();
    let (place, url) = moved(&services.amqp, port);
    let proxy = FaultProxy::start_at(port, &place).unwrap();
    let plan = Plan {
        pause: "15s",
        ..Plan::usual()
    };
    let play = Play::start(services, plan.set("AMQP_URL", url)).await;
    play.has_answered(1_000).await;
    let before = usages(&play);
    proxy.freeze();
    let silent_until = Instant::now() + Duration::from_secs(90);
    let mut most = 0;
    while Instant::now() < silent_until {
        most = most.max(growth(&before, &usages(&play)).threads);
        // The pace of looking.
        sleep(Duration::from_millis(500)).await;
    }
    for worker in &play.workers {
        not_ready(worker, "queue: ").await;
    }
    proxy.thaw();
    let recovery = play.ready().await;
    play.has_answered(9_000).await;
    let after = growth(&before, &usages(&play)).threads;
    assert!(
        most <= 3 && after <= 3,
        "while silent {most:+}, afterwards {after:+}"
    );
    let report = play.end().await;
    let note = format!("threads while silent {most:+}, afterwards {after:+}");
    case.end(&report, Some(recovery), note);
}

struct Growth {
    threads: i64,
    files: i64,
}

/// By role, of the one that has grown most.
fn growth(before: &[Usage], after: &[Usage]) -> Growth {
    let most = |count: fn(&Usage) -> i64| {
        let pairs = before.iter().zip(after);
        pairs
            .map(|(before, after)| count(after) - count(before))
            .max()
            .unwrap()
    };
    Growth {
        threads: most(|usage| i64::try_from(usage.threads).unwrap()),
        files: most(|usage| i64::try_from(usage.files).unwrap()),
    }
}

fn usages(play: &Play) -> Vec<Usage> {
    roles(play).map(|role| role.running.usage()).collect()
}
