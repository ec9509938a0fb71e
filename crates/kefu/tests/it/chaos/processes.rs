//! Processes that are killed, replaced one by one, or panic.

use std::time::Duration;

use tokio::time::sleep;

use super::{Case, Plan, Play, size};
use crate::stage::{Callers, Services, metric};

/// The pace of a fault: it hits whatever happens to be under way.
const PACE: Duration = Duration::from_millis(400);
/// Longer than the pause before a callback is tried again, or all four tries of one could find nobody.
const INGRESS_PACE: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn s01_workers_killed_again_and_again_lose_nothing_and_repeat_nothing() {
    let kills = size(5, 50);
    let case = Case::begin("1", format!("kill -9 of a worker, {kills} times"));
    let mut play = Play::start(Services::own().await, Plan::usual()).await;
    for number in 0..kills {
        sleep(PACE).await;
        play.replace_worker(number).await;
    }
    let recovery = play.ready().await;
    let report = play.end().await;
    case.end(&report, Some(recovery), "");
}

#[tokio::test]
async fn s03_what_a_killed_ingress_answered_is_processed() {
    let kills = size(3, 20);
    let case = Case::begin(
        "3",
        format!("kill -9 of the ingress, {kills} times, 200 callbacks/s"),
    );
    let mut play = Play::start(Services::own().await, Plan::usual()).await;
    let callers = Callers::start(&play.ingress.callback_url(), size(50, 200));
    for _ in 0..kills {
        sleep(INGRESS_PACE).await;
        play.replace_ingress().await;
    }
    let recovery = play.ready().await;
    let answers = callers.end().await;
    assert_eq!(answers.given_up, 0, "{:?}", answers.statuses);
    // A kill between the broker's confirm and the answer brings a callback twice; its event is stored once.
    play.events += i64::try_from(answers.taken).unwrap();
    let report = play.end().await;
    let note = format!("{} callbacks, {:?}", answers.taken, answers.statuses);
    case.end(&report, Some(recovery), note);
}

#[tokio::test]
async fn s15_jobs_that_panic_are_tried_again_and_hurt_nobody_else() {
    // The rarest: one in a hundred of the messages, as far as turns do not merge them.
    let every = size(10, 50);
    let case = Case::begin("15", format!("every {every}th pull and turn panics"));
    let crash =
        format!("page_pulled=panic@{every},conversation_claimed=panic@{every},reply_decided=panic@{every}");
    let plan = Plan::usual().set(kefu_process::crash::VARIABLE, crash);
    let play = Play::start(Services::own().await, plan).await;
    let pids: Vec<u32> = play.workers.iter().map(|worker| worker.running.pid()).collect();
    play.all_answered().await;
    let mut panics = 0;
    for worker in &play.workers {
        let told = worker.running.stderr();
        panics += told.iter().filter(|line| line.contains("panic at")).count();
    }
    assert!(0 < panics, "nothing was injected");
    let still: Vec<u32> = play.workers.iter().map(|worker| worker.running.pid()).collect();
    assert_eq!(pids, still);
    let report = play.end().await;
    case.end(&report, None, format!("{panics} panics contained"));
}

#[cfg(feature = "chaos")]
#[tokio::test]
async fn s16_an_event_that_kills_every_worker_ends_as_a_letter_and_holds_nobody_up() {
    let case = Case::begin("16", "an app event at which every worker aborts");
    let undisturbed = Play::start(Services::own().await, Plan::usual())
        .await
        .end()
        .await;
    let mut play = Play::start(Services::own().await, Plan::usual()).await;
    play.stop_workers().await;
    play.app_event().await;
    let mut deaths = 0;
    let mortal = [(kefu_process::crash::VARIABLE, "event_stored=abort@1")];
    for _ in 0..2 {
        play.add_worker(&mortal).await;
    }
    // Put back once as a bystander, then a letter: twice 21 deliveries at most.
    while play.services.count("SELECT count(*) FROM dead_letter").await == 0 {
        for number in 0..play.workers.len() {
            if play.workers[number].running.has_exited() {
                deaths += 1;
                play.workers.remove(number);
                play.add_worker(&mortal).await;
            }
        }
        assert!(deaths <= 50, "the event kills for ever");
        sleep(Duration::from_millis(50)).await;
    }
    let report = play.all_answered().await;
    let p99 = |report: &serde_json::Value| report["reply_p99_ms"].as_f64().unwrap();
    #[cfg(feature = "chaos")]
    assert!(p99(&report) < 3.0 * p99(&undisturbed), "{report}, {undisturbed}");
    let note = format!(
        "{deaths} workers died; reply p99 {:.0} ms, undisturbed {:.0} ms",
        p99(&report),
        p99(&undisturbed)
    );
    // Its effect was stored the first time.
    let report = play.end().await;
    case.end(&report, None, note);
}

#[tokio::test]
async fn s48_replacing_all_roles_one_by_one_costs_no_callback_and_no_attempt() {
    let rounds = size(1, 20);
    let case = Case::begin(
        "48",
        format!("SIGTERM to each role, a successor first, {rounds} rounds"),
    );
    let mut play = Play::start(Services::own().await, Plan::usual()).await;
    play.simulator.think("200ms").await;
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        for number in 0..play.workers.len() {
            sleep(PACE).await;
            play.add_worker(&[]).await;
            let old = play.workers.remove(size(0, number % 2));
            let metrics = old.metrics().await;
            for outcome in ["retry", "dead"] {
                let spent = metric(&metrics, "kefu_jobs_total", &[&format!("outcome=\"{outcome}\"")]);
                assert_eq!(spent, 0.0, "{outcome}");
            }
            longest = longest.max(play.ends(old).await);
        }
        longest = longest.max(play.hand_over_ingress().await);
    }
    let recovery = play.ready().await;
    // Not reset by the run that ends well after all.
    const SPENT: &str = "SELECT (SELECT count(*) FROM conversation WHERE first_error_at IS NOT NULL)
        + (SELECT count(*) FROM account WHERE first_error_at IS NOT NULL)";
    assert_eq!(play.services.count(SPENT).await, 0);
    let report = play.end().await;
    assert_eq!(report["callbacks_given_up"], 0);
    case.end(
        &report,
        Some(recovery),
        format!("longest stop {:.1} s", longest.as_secs_f64()),
    );
}

#[cfg(feature = "chaos")]
#[tokio::test]
async fn s51_a_backlog_of_a_hundred_thousand_jobs_is_worked_off_in_little_memory() {
    const BACKLOG: usize = 100_000;
    const PEAK_MAX_MIB: u64 = 256;
    let case = Case::begin("51", "a backlog of 100,000 jobs");
    let plan = Plan {
        workers: 0,
        ..Plan::usual()
    };
    let mut play = Play::start(Services::own().await, plan).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(Callers::start(&play.ingress.callback_url(), 500));
    }
    sleep(Duration::from_secs(BACKLOG as u64 / 2_000 + 1)).await;
    let mut taken = 0;
    for callers in callers {
        let answers = callers.end().await;
        assert_eq!(answers.given_up, 0, "{:?}", answers.statuses);
        taken += answers.taken;
    }
    assert!(BACKLOG <= taken, "{taken}");
    play.events += i64::try_from(taken).unwrap();
    let began_at = tokio::time::Instant::now();
    play.add_worker(&[]).await;
    play.add_worker(&[]).await;
    // The first one makes the tables.
    play.ready().await;
    let stored = "SELECT count(*) FROM app_event";
    while play.services.count(stored).await < play.events {
        assert!(began_at.elapsed() < Duration::from_secs(600));
        sleep(Duration::from_secs(1)).await;
    }
    let recovery = began_at.elapsed();
    play.all_answered().await;
    let peaks: Vec<u64> = play
        .workers
        .iter()
        .chain([&play.ingress])
        .map(|role| role.running.usage().peak_mib)
        .collect();
    assert!(peaks.iter().all(|peak| *peak < PEAK_MAX_MIB), "{peaks:?} MiB");
    let report = play.end().await;
    case.end(
        &report,
        Some(recovery),
        format!("{taken} events; peaks {peaks:?} MiB"),
    );
}
