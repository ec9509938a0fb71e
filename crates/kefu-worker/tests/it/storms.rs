//! WeCom is busy or away for a while, and then it is not.

use kefu_simulator::Effect;

use crate::harness::{ACCOUNT, Kefu, tagged, wake_up};

const BUSY: Effect = Effect::Error {
    code: -1,
    message: None,
};
const APIS: [&str; 4] = ["gettoken", "kf/sync_msg", "kf/service_state/get", "kf/send_msg"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_a_storm_of_busy_and_5xx_on_every_api_loses_and_doubles_nothing() {
    let kefu = Kefu::start().await;
    for api in APIS {
        kefu.fault_often(api, BUSY, 0.3);
        let (early, late) = (
            Effect::Status {
                status: 500,
                applied: false,
            },
            Effect::Cut { applied: true },
        );
        kefu.fault_often(api, early, 0.15);
        kefu.fault_often(api, late, 0.15);
    }
    for number in 0..30 {
        kefu.writes(&format!("wm{}", number % 6), &tagged(number)).await;
    }
    kefu.until("half of it got through the storm", async || {
        15 <= kefu.report().answered
    })
    .await;
    kefu.simulator.clear_faults();
    kefu.handled_all(30).await;
    kefu.assert_each_answered_once(30);
    assert!(kefu.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_one_run_tries_a_call_three_times_and_then_the_ladder_waits() {
    let kefu = Kefu::with(|setup| setup.set("queue.retry_steps", "20s,30s")).await;
    kefu.fault("kf/send_msg", BUSY);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the run has failed", async || {
        0 < kefu.calls("kf/send_msg") && kefu.waiting().await == 1
    })
    .await;
    assert_eq!(kefu.calls("kf/send_msg"), 3);
    assert_eq!(kefu.parts().await, ["sending"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_a_storm_of_wake_ups_while_pulls_fail_keeps_one_copy_in_the_ladder() {
    let kefu = Kefu::with(|setup| setup.set("queue.retry_steps", "20s,30s")).await;
    kefu.fault(
        "kf/sync_msg",
        Effect::Error {
            code: 48_002,
            message: None,
        },
    );
    for round in 1..=10 {
        kefu.publish(&wake_up("default", ACCOUNT)).await;
        kefu.until("the pull has failed", async || round <= kefu.calls("kf/sync_msg"))
            .await;
    }
    kefu.until("only the copy of the first failure waits", async || {
        kefu.waiting().await == 1
    })
    .await;
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM account")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_the_ladder_is_survived() {
    let kefu = Kefu::with(|setup| setup.set("queue.retry_steps", "50ms,60ms,70ms")).await;
    for api in ["kf/sync_msg", "kf/send_msg"] {
        kefu.fault(
            api,
            Effect::Error {
                code: 60_020,
                message: None,
            },
        );
    }
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the pull is past its ladder", async || {
        8 <= kefu.calls("kf/sync_msg")
    })
    .await;
    kefu.simulator.clear_faults();
    kefu.fault(
        "kf/send_msg",
        Effect::Error {
            code: 60_020,
            message: None,
        },
    );
    kefu.until("the turn is past its ladder", async || {
        8 <= kefu.calls("kf/send_msg")
    })
    .await;
    kefu.simulator.clear_faults();
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert!(kefu.dead_letters().await.is_empty());
    assert_eq!(kefu.report().model_calls, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_calls_of_wecom_do_not_hold_up_a_reply() {
    let kefu = Kefu::with(|setup| setup.set("reply.handover_failed", "")).await;
    for api in [
        "kf/account/list",
        "kf/servicer/list",
        "kf/customer/batchget",
        "kf/service_state/trans",
    ] {
        kefu.fault(
            api,
            Effect::Status {
                status: 503,
                applied: false,
            },
        );
    }
    kefu.writes("wm1", &tagged(1)).await;
    // A hand-over that cannot be had ends in an answer, too.
    kefu.writes("wm2", &format!("转人工 {}", tagged(2))).await;
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
}
