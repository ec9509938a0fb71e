//! How jobs end that cannot succeed.

use kefu_domain::Millis;
use kefu_process::clock;
use kefu_queue::{Job, Lane};
use kefu_simulator::Effect;
use serde_json::json;

use crate::harness::{ACCOUNT, Kefu, tagged, wake_up};

fn job(kind: &str, app: &str, payload: serde_json::Value) -> Job {
    Job::new(kind, app, Lane::Medium, payload, Millis(clock::now_ms()))
}

async fn check_dead(kefu: &Kefu, job: &Job, reason: &str, attempts: u32) {
    kefu.publish(job).await;
    kefu.until("the letter is archived", async || {
        !kefu.dead_letters().await.is_empty()
    })
    .await;
    let letters = kefu.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].attempts),
        (reason, attempts)
    );
    assert!(letters[0].last_error.is_some() && letters[0].error_at.is_some());
    kefu.until("nothing of it is left", async || kefu.waiting().await == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_a_failure_of_our_own_climbs_exactly_the_ladder() {
    let kefu = Kefu::start().await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    let pulled = kefu.report().sync_calls;
    kefu.fault("kf/sync_msg", Effect::RepeatCursor);
    kefu.fault("callback", Effect::Drop);
    kefu.writes("wm1", &tagged(1)).await;
    let started = std::time::Instant::now();
    check_dead(&kefu, &wake_up("default", ACCOUNT), "out_of_attempts", 4).await;
    assert_eq!(kefu.report().sync_calls - pulled, 4);
    assert!(std::time::Duration::from_millis(600) <= started.elapsed());
    let letter = &kefu.dead_letters().await[0];
    assert_eq!(letter.kind.as_deref(), Some("kf.sync"));
    assert!(
        letter
            .last_error
            .as_deref()
            .unwrap()
            .contains("cursor does not move")
    );

    // Nothing is lost with the letter: the next wake-up pulls on.
    kefu.simulator.clear_faults();
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    kefu.until("the customer is answered", async || kefu.report().answered == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_bytes_that_are_no_envelope_are_archived_as_they_came() {
    let kefu = Kefu::start().await;
    let mut broken = job("kf.turn", "default", json!({"customer": "\u{0}"}));
    broken.kind = String::new();
    check_dead(&kefu, &broken, "unreadable", 1).await;
    let letter = &kefu.dead_letters().await[0];
    assert_eq!(letter.raw, broken.encode());
    assert!(letter.job_id.starts_with("raw-"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kind_climbs_the_ladder_before_it_dies() {
    let kefu = Kefu::start().await;
    check_dead(&kefu, &job("kf.tomorrow", "default", json!({})), "unknown", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_version_climbs_the_ladder_before_it_dies() {
    let kefu = Kefu::start().await;
    let mut newer = job("kf.sync", "default", json!({}));
    newer.v = 2;
    check_dead(&kefu, &newer, "unknown", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_not_in_the_settings_climbs_the_ladder_before_it_dies() {
    let kefu = Kefu::start().await;
    check_dead(&kefu, &wake_up("gone", "wkOfNobody"), "out_of_attempts", 4).await;
    assert!(
        kefu.dead_letters().await[0]
            .last_error
            .as_deref()
            .unwrap()
            .contains("gone")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_of_another_shape_are_dead_at_once() {
    for (kind, payload) in [
        ("kf.sync", json!({"account": 7})),
        ("kf.turn", json!({"corp": "ww1"})),
        ("kf.turn", json!({"corp": "", "account": "wk", "customer": "wm"})),
        ("kf.welcome", json!([])),
        ("app.event", json!({"kind": "event.x"})),
    ] {
        let kefu = Kefu::start().await;
        check_dead(&kefu, &job(kind, "default", payload), "permanent", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_about_nothing_are_done() {
    let kefu = Kefu::start().await;
    let customer = json!({"corp": "ww1", "account": "wk", "customer": "wm"});
    kefu.publish(&job("kf.turn", "default", customer)).await;
    kefu.publish(&job("kf.welcome", "default", json!({"id": "none"})))
        .await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert!(kefu.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_a_turn_that_fails_by_our_own_fault_is_given_up_after_the_ladder() {
    let kefu = Kefu::start().await;
    const REFUSE: &str = "CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END";
    kefu.change(REFUSE).await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    // Written with the give-up: there is nothing to wait for.
    let letter = &kefu.dead_letters().await[0];
    assert_eq!((letter.reason.as_str(), letter.attempts), ("out_of_attempts", 4));
    assert_eq!(
        (letter.kind.as_deref(), letter.lane.as_deref()),
        (Some("kf.turn"), Some("medium"))
    );
    assert!(letter.first_error_at < letter.error_at && letter.last_error.is_some());
    assert_eq!(Job::decode(&letter.raw).unwrap().id, letter.job_id);
    assert_eq!(kefu.handled().await, ["failed"]);
    assert_eq!((kefu.report().model_calls, kefu.report().sends), (4, 0));

    // The conversation goes on.
    kefu.change("DROP TRIGGER refuse").await;
    kefu.writes("wm1", &tagged(2)).await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1").len(), 1);
    // Its copy from the queue found it there.
    kefu.until("no letter waits", async || {
        kefu.queue.depths().await.unwrap().dead == 0
    })
    .await;
    assert_eq!(kefu.dead_letters().await.len(), 1);
}

/// As after a change of the settings: the account's row is there, the name in the job is in no settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_up_under_an_apps_old_name_pulls_as_the_app_that_serves_the_account() {
    let kefu = Kefu::start().await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.fault("callback", Effect::Drop);
    kefu.writes("wm1", &tagged(2)).await;
    kefu.publish(&wake_up("old", ACCOUNT)).await;
    kefu.handled_all(2).await;

    // Without an account it wakes those whose rows still have that name.
    kefu.writes("wm1", &tagged(3)).await;
    kefu.change("UPDATE account SET app = 'old'").await;
    kefu.publish(&job("kf.sync", "old", json!({}))).await;
    kefu.handled_all(3).await;
    kefu.assert_each_answered_once(3);
    assert!(kefu.dead_letters().await.is_empty());
    assert_eq!(
        kefu.column("SELECT DISTINCT app FROM account ORDER BY app").await,
        ["default"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_pull_under_an_apps_old_name_takes_its_own_lease_over() {
    let mut kefu = Kefu::start().await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.fault("callback", Effect::Drop);
    let delay = std::time::Duration::from_secs(20);
    kefu.fault("kf/sync_msg", Effect::Delay { delay });
    kefu.writes("wm1", &tagged(2)).await;
    kefu.publish(&wake_up("old", ACCOUNT)).await;
    kefu.until("the pull is under way", async || {
        kefu.number("SELECT CAST(count(lease_owner) AS TEXT) FROM account")
            .await
            == 1
    })
    .await;
    kefu.kill_workers().await;
    kefu.simulator.clear_faults();
    kefu.start_worker();
    // Sooner than the lease ends, which is a minute.
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
}
