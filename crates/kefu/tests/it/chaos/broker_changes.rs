//! A broker that comes back empty, and operators who delete a queue or take permissions away.

use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "chaos")]
use super::broker::{CONNECTED, Siege, not_ready};
use super::{Case, Plan, Play, size};
#[cfg(feature = "chaos")]
use crate::stage::metric;
use crate::stage::{Instance, Services, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s56_a_wiped_broker_is_made_good_from_the_database() {
    let case = Case::begin("56", "broker killed and all its data deleted");
    let broker = Instance::start("s56", &["rabbitmq"]).await;
    let plan = Plan::usual().set("KEFU_WORKER__SLOTS__MEDIUM", size("2", "16"));
    let mut play = Play::start(Services::with(&[&broker]).await, plan).await;
    play.simulator.think("1s").await;
    // From here on no further callback wakes anybody: what is lost comes back from the rows alone.
    all_stored(&play, size(300, 10_000)).await;
    broker.kill("rabbitmq").await;
    const OWED: &str = "SELECT count(*) FROM message WHERE origin = 'customer' AND handled IS NULL";
    let owed = play.services.count(OWED).await;
    assert!(0 < owed, "nothing was under way");
    std::fs::remove_dir_all(broker.folder().join("rabbitmq/mnesia")).unwrap();
    broker.start_again("rabbitmq").await;
    let returned_at = Instant::now();
    play.simulator.clear_faults().await;
    eventually("all that was owed is answered", async || {
        (play.services.count(OWED).await == 0).then_some(())
    })
    .await;
    let recovery = returned_at.elapsed();
    assert!(recovery < Duration::from_secs(120), "{recovery:?}");
    for _ in 0..size(5, 50) {
        play.say_one_more().await;
    }
    let report = play.end().await;
    case.end(
        &report,
        Some(recovery),
        format!("{owed} messages were unfinished"),
    );
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_deleted_lane_comes_back_and_its_lost_jobs_with_it() {
    let case = Case::begin("10", "a lane's queue deleted with the turns in it");
    let plan = Plan {
        customers: 300,
        messages: 300,
        ..Plan::usual()
    };
    let slots = plan.set("KEFU_WORKER__SLOTS__MEDIUM", "2");
    let play = Play::start(Services::own().await, slots).await;
    play.simulator.think("1s").await;
    all_stored(&play, 300).await;
    // The merge window has passed: every turn is in its lane, four a second leave it.
    play.has_answered(10).await;
    let swept_before = swept(&play).await;
    let lane = format!("{}.medium", play.services.prefix);
    play.services.delete_queue(&lane).await;
    let deleted_at = Instant::now();
    play.simulator.clear_faults().await;
    eventually("the queue is declared again", async || {
        let queues = play.services.queues().await;
        queues
            .iter()
            .any(|queue| queue["name"] == lane.as_str())
            .then_some(())
    })
    .await;
    let declared = deleted_at.elapsed();
    assert!(declared < Duration::from_secs(5), "{declared:?}");
    play.has_answered(300).await;
    let recovery = deleted_at.elapsed();
    assert!(recovery < Duration::from_secs(60), "{recovery:?}");
    let restored = swept(&play).await - swept_before;
    assert!(0.0 < restored, "no job was lost");
    let report = play.end().await;
    let note = format!(
        "declared after {:.1} s, {restored} jobs restored",
        declared.as_secs_f64()
    );
    case.end(&report, Some(recovery), note);
}

#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_a_user_without_permissions_is_said_and_survived() {
    let case = Case::begin(
        "12",
        "the broker's user without permissions for 10 s, connections closed, 100 callbacks/s",
    );
    let siege = Siege::begin("s12", "5s").await;
    siege.play.has_answered(500).await;
    let nothing = ["set_permissions", "-p", "/", "kefu", "^$", "^$", "^$"];
    siege.broker.rabbitmqctl(&nothing).await;
    siege
        .broker
        .rabbitmqctl(&["close_all_connections", "trial"])
        .await;
    let taken_at = Instant::now();
    for worker in &siege.play.workers {
        let reason = not_ready(worker, "queue: broker refuses: ").await;
        assert!(reason.contains("access to"), "{reason}");
        assert!(reason.contains("give the user of queue.url"), "{reason}");
    }
    eventually("the ingress says so", async || {
        let (_, health) = siege.play.ingress.get("/health").await?;
        let detail = health["components"]["queue"]["detail"].as_str()?;
        detail.contains("broker refuses: ").then_some(())
    })
    .await;
    tokio::time::sleep_until(taken_at + Duration::from_secs(10)).await;
    let all = ["set_permissions", "-p", "/", "kefu", ".*", ".*", ".*"];
    siege.broker.rabbitmqctl(&all).await;
    let recovery = siege.play.ready().await;
    assert!(recovery < Duration::from_secs(10), "{recovery:?}");
    let (report, note) = siege.end().await;
    case.end(&report, Some(recovery), note);
}

/// As of a queue most of whose nodes are away: the broker keeps a consume of it for a minute, then ends the connection.
#[cfg(feature = "chaos")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_queue_without_a_majority_holds_up_no_other_lane() {
    const SILENT: Duration = Duration::from_secs(150);
    let case = Case::begin("10", "the low lane's queue silent for 150 s, connections closed");
    let siege = Siege::begin("s10_silent", "20s").await;
    siege.play.has_answered(500).await;
    let to_the_low_lane = |what: &str| {
        format!(r#"[sys:{what}(whereis(N)) || N <- registered(), lists:suffix(".low", atom_to_list(N))]."#)
    };
    let suspend = to_the_low_lane("suspend");
    siege.broker.rabbitmqctl(&["eval", &suspend]).await;
    siege
        .broker
        .rabbitmqctl(&["close_all_connections", "trial"])
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let connected = siege.workers_said(CONNECTED);
    let silent_at = Instant::now();
    let answered = siege.play.answered().await;
    tokio::time::sleep_until(silent_at + SILENT).await;
    // Each worker may ask once before it knows, and no more.
    let connections = siege.workers_said(CONNECTED) - connected;
    assert!(
        connections <= siege.play.workers.len(),
        "{connections} new connections"
    );
    let meanwhile = siege.play.answered().await - answered;
    assert!(
        500 < meanwhile,
        "{meanwhile} answered while the low lane was silent"
    );
    let resume = to_the_low_lane("resume");
    siege.broker.rabbitmqctl(&["eval", &resume]).await;
    let resumed_at = Instant::now();
    eventually("the workers consume again", async || {
        (siege.play.workers.len() <= siege.workers_said("queue lets consume again")).then_some(())
    })
    .await;
    let recovery = resumed_at.elapsed();
    let (report, note) = siege.end().await;
    let note = format!("{note}; {meanwhile} answered meanwhile, {connections} new connections");
    case.end(&report, Some(recovery), note);
}

/// Waits until so many messages of customers are in the database.
async fn all_stored(play: &Play, messages: i64) {
    const STORED: &str = "SELECT count(*) FROM message WHERE origin = 'customer'";
    // Before that there are no tables.
    play.ready().await;
    eventually("all have written", async || {
        (play.services.count(STORED).await == messages).then_some(())
    })
    .await;
}

#[cfg(feature = "chaos")]
async fn swept(play: &Play) -> f64 {
    let mut swept = 0.0;
    for worker in &play.workers {
        let labels = ["row=\"conversation\""];
        swept += metric(&worker.metrics().await, "kefu_swept_total", &labels);
    }
    swept
}
