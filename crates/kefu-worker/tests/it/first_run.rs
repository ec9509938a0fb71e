//! The first pull of an account, and customers who wrote too long ago.

use kefu_process::clock;
use kefu_simulator::Effect;
use serde_json::json;

use crate::harness::{ACCOUNT, FALLBACK, Kefu, odd};

const HOUR_S: i64 = 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_days_of_history_only_what_is_fresh_is_answered() {
    let kefu = Kefu::with(|setup| {
        setup.model = false;
        setup.simulator.page_size = 2;
    })
    .await;
    kefu.fault("callback", Effect::Drop);
    let now_s = clock::now_ms() / 1000;
    for age_s in [70 * HOUR_S, 50 * HOUR_S, 5 * HOUR_S, 3 * HOUR_S, 900] {
        kefu.says(ACCOUNT, "wm1", odd("send_time", json!(now_s - age_s)))
            .await;
    }
    kefu.says(ACCOUNT, "wm2", odd("send_time", json!(now_s - 300)))
        .await;
    kefu.until("nobody was told", async || kefu.report().callbacks_dropped == 6)
        .await;
    kefu.simulator.clear_faults();
    kefu.writes("wm3", "hello").await;
    kefu.handled_all(7).await;
    let mut expected = vec!["history"; 5];
    expected.extend(["answered", "answered"]);
    assert_eq!(kefu.handled().await, expected);
    assert_eq!(kefu.report().sends, 2);
    assert_eq!(kefu.replies("wm3"), [FALLBACK]);

    // The rule is for the first run only: after it old messages are late, not history.
    kefu.says(ACCOUNT, "wm1", odd("send_time", json!(now_s - HOUR_S)))
        .await;
    kefu.handled_all(8).await;
    assert_eq!(kefu.replies("wm1"), [FALLBACK]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_48_hours_nothing_is_said_any_more() {
    let kefu = Kefu::with(|setup| setup.model = false).await;
    kefu.writes("wm1", "hello").await;
    kefu.handled_all(1).await;
    let old_s = clock::now_ms() / 1000 - 49 * HOUR_S;
    kefu.says(ACCOUNT, "wm2", odd("send_time", json!(old_s))).await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.handled().await, ["answered", "expired"]);
    assert_eq!(kefu.calls("kf/send_msg"), 1);
}
