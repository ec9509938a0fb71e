//! Access tokens and rate limits: nothing is hammered, and everything comes back.

use std::time::{Duration, Instant};

use kefu_domain::Millis;
use kefu_process::clock;
use kefu_queue::{Job, Lane};
use kefu_simulator::Effect;
use kefu_simulator::world::Incoming;
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{ACCOUNT, Kefu, OTHER_ACCOUNT, tagged, wake_up};

const TOO_OFTEN: Effect = Effect::Error {
    code: 45_009,
    message: None,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s32_a_token_revoked_under_64_sends_is_fetched_once_more() {
    let kefu = Kefu::start().await;
    let delay = Duration::from_millis(400);
    kefu.fault("kf/send_msg", Effect::Delay { delay });
    for number in 0..64 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.until("a send has arrived", async || 0 < kefu.report().sends)
        .await;
    kefu.simulator.revoke_access();
    kefu.handled_all(64).await;
    kefu.assert_each_answered_once(64);
    assert_eq!(kefu.report().gettoken_calls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s33_a_throttled_gettoken_is_not_hammered() {
    let kefu = Kefu::with(|setup| setup.set("worker.rate_pause", "100ms")).await;
    kefu.fault("gettoken", TOO_OFTEN);
    // The worker may have had its token for the list of accounts already.
    kefu.simulator.revoke_access();
    kefu.until("the worker knows its accounts or has given up", async || {
        0 < kefu.calls("gettoken")
    })
    .await;
    kefu.simulator.revoke_access();
    let before = kefu.calls("gettoken");
    for number in 0..20 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    const PARKED: &str =
        "SELECT CAST(count(*) AS TEXT) FROM account WHERE first_woken_at IS NOT NULL AND lease_owner IS NULL";
    kefu.until("all callbacks came to nothing", async || {
        kefu.report().callbacks == 20 && kefu.waiting().await == 0 && kefu.number(PARKED).await == 1
    })
    .await;
    // More wake-ups after the pause of the pull: the token's own pause is a minute.
    for _ in 0..20 {
        kefu.publish(&wake_up("default", ACCOUNT)).await;
    }
    kefu.until("they came to nothing as well", async || {
        kefu.waiting().await == 0 && kefu.number(PARKED).await == 1
    })
    .await;
    assert!(
        kefu.calls("gettoken") <= before + 1,
        "{} then {}",
        before,
        kefu.calls("gettoken")
    );
    assert_eq!(
        kefu.number("SELECT CAST(sum(failures) AS TEXT) FROM account")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s34_a_throttled_send_pauses_its_app_alone_and_costs_no_attempt() {
    let kefu = Kefu::with(|setup| {
        setup.set("worker.rate_pause", "1500ms");
        let credentials = setup.simulator.credentials.clone();
        setup.set("apps.default.accounts", ACCOUNT);
        setup.set("apps.other.corp_id", &credentials.corp_id);
        setup.set(
            "apps.other.secret",
            secrecy::ExposeSecret::expose_secret(&credentials.secret),
        );
        setup.set(
            "apps.other.token",
            secrecy::ExposeSecret::expose_secret(&credentials.token),
        );
        setup.set(
            "apps.other.encoding_aes_key",
            secrecy::ExposeSecret::expose_secret(&credentials.encoding_aes_key),
        );
        setup.set("apps.other.accounts", OTHER_ACCOUNT);
    })
    .await;
    kefu.fault_times("kf/send_msg", TOO_OFTEN, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the send was refused", async || kefu.calls("kf/send_msg") == 1)
        .await;

    // Another customer of the paused app waits, the other app does not.
    kefu.writes("wm2", &tagged(2)).await;
    kefu.says(OTHER_ACCOUNT, "wm3", Incoming::text(tagged(3))).await;
    kefu.publish(&wake_up("other", OTHER_ACCOUNT)).await;
    kefu.until("the other app answers", async || {
        kefu.replies_of(OTHER_ACCOUNT, "wm3").len() == 1
    })
    .await;
    assert_eq!((kefu.calls("kf/send_msg"), kefu.report().sends), (2, 1));
    // Nor is the model asked in vain meanwhile.
    assert_eq!(kefu.report().model_calls, 2);
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM conversation")
            .await,
        0
    );

    kefu.handled_all(3).await;
    kefu.assert_each_answered_once(3);
    assert_eq!(kefu.calls("kf/send_msg"), 4);
    assert!(kefu.dead_letters().await.is_empty());
}

/// One refusal in between is no limit: what waits for it waits a moment, not the pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s34_a_single_refusal_costs_a_moment_and_no_attempt() {
    const MOMENT: Duration = Duration::from_secs(1);
    let kefu = Kefu::with(|setup| setup.set("worker.rate_pause", "1h")).await;
    kefu.fault_times("kf/send_msg", TOO_OFTEN, 1);
    let began_at = Instant::now();
    for number in 0..20 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.handled_all(20).await;
    assert!(MOMENT <= began_at.elapsed(), "{:?}", began_at.elapsed());
    kefu.assert_each_answered_once(20);
    assert_eq!(kefu.calls("kf/send_msg"), 21);
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM conversation")
            .await,
        0
    );
    assert!(kefu.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s34_a_limit_that_stays_is_asked_for_by_one_call_and_pauses_longer_each_time() {
    const FIRST: Duration = Duration::from_secs(2);
    const MOMENT: Duration = Duration::from_secs(1);
    let kefu = Kefu::with(|setup| setup.set("worker.rate_pause", "2s")).await;
    kefu.fault_times("kf/send_msg", TOO_OFTEN, 3);
    kefu.writes("wm1", &tagged(1)).await;
    let mut called_at = Vec::new();
    for calls in 1..=4 {
        // Somebody always wants to send: whoever is first after a pause calls at once, and nobody else.
        kefu.until("the next call is made", async || {
            kefu.publish(&turn(&kefu, "wm1")).await;
            calls <= kefu.calls("kf/send_msg")
        })
        .await;
        called_at.push(Instant::now());
    }
    let pauses: Vec<Duration> = called_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A moment, the rest of the pause, and only then the double.
    for (pause, expected) in pauses.iter().zip([MOMENT, FIRST - MOMENT, 2 * FIRST]) {
        // A call is noticed a little late, so the pause it begins seems a little shorter.
        assert!(expected.mul_f64(0.8) < *pause, "{pauses:?}");
    }
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert!(kefu.dead_letters().await.is_empty());
}

/// The list of accounts is no row's: its job would climb the ladder to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s34_a_job_without_a_row_waits_for_a_limit_and_spends_no_attempt() {
    let kefu = Kefu::with(|setup| setup.set("worker.rate_pause", "1500ms")).await;
    kefu.fault("kf/account/list", TOO_OFTEN);
    let known = Job::new(
        "kf.sync",
        "default",
        Lane::High,
        json!({}),
        Millis(clock::now_ms()),
    );
    kefu.publish(&known).await;
    // More than all attempts take.
    sleep(Duration::from_secs(3)).await;
    assert!(kefu.dead_letters().await.is_empty());
    kefu.simulator.clear_faults();
    kefu.until("the job is gone", async || kefu.waiting().await == 0)
        .await;
    assert!(kefu.dead_letters().await.is_empty());
}

fn turn(kefu: &Kefu, customer: &str) -> Job {
    let corp = kefu.simulator.credentials().corp_id;
    let payload = json!({ "corp": corp, "account": ACCOUNT, "customer": customer });
    Job::new(
        "kf.turn",
        "default",
        Lane::Medium,
        payload,
        Millis(clock::now_ms()),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_pull_resumes_by_itself() {
    let kefu = Kefu::start().await;
    kefu.fault_times("kf/sync_msg", TOO_OFTEN, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM account")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_state_call_resumes_by_itself() {
    let kefu = Kefu::start().await;
    kefu.fault_times("kf/service_state/get", TOO_OFTEN, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert_eq!(kefu.calls("kf/service_state/get"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strictly_limited_pull_without_a_token_does_not_stop_those_with_one() {
    let kefu = Kefu::with(|setup| {
        setup.simulator.sync_without_token_per_minute = 1;
        setup.set("worker.rate_pause", "1h");
    })
    .await;
    for _ in 0..2 {
        kefu.publish(&wake_up("default", OTHER_ACCOUNT)).await;
        kefu.until("the job is gone", async || kefu.waiting().await == 0)
            .await;
    }
    kefu.until("the strict limit was hit", async || 2 <= kefu.report().sync_calls)
        .await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the customer is answered", async || kefu.report().answered == 1)
        .await;
}
