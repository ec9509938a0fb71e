//! Sends whose outcome nobody knows, and sends that are refused for good.

use std::time::Duration;

use kefu_simulator::{Effect, RepeatCheck};

use crate::harness::{Kefu, Log, Setup, tagged};

const MESSAGES: usize = 40;

async fn check_cut_off(change: impl FnOnce(&mut Setup)) -> Kefu {
    let kefu = Kefu::with(change).await;
    kefu.fault_often("kf/send_msg", Effect::Cut { applied: true }, 0.5);
    for number in 0..MESSAGES {
        kefu.writes(&format!("wm{}", number % 10), &tagged(number)).await;
    }
    kefu.handled_all(MESSAGES).await;
    kefu.assert_each_answered_once(MESSAGES as u64);
    assert!(
        kefu.parts()
            .await
            .iter()
            .all(|status| ["sent", "cancelled"].contains(&status.as_str()))
    );
    kefu
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_a_send_accepted_and_cut_off_is_not_doubled() {
    check_cut_off(|_| ()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_a_listed_code_for_a_repeated_msgid_means_sent() {
    let listed = |setup: &mut Setup| {
        setup.simulator.send_repeat_code = 95_099;
        setup.set("wecom.msgid_repeated_codes", "40001, 95099");
    };
    check_cut_off(listed).await;
}

/// One thread, so that the log of the test is the log of the worker.
#[tokio::test]
async fn the_code_a_public_client_has_met_is_known_without_a_setting() {
    let (log, _guard) = Log::capture();
    let kefu = Kefu::start().await;
    kefu.fault_times("kf/send_msg", Effect::Cut { applied: true }, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert!(kefu.report().sends_refused.contains_key(&95_033));
    assert_eq!(log.lines("for a repeated msgid"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_a_repeat_that_is_noticed_late_is_not_doubled() {
    check_cut_off(|setup| setup.simulator.send_repeat_check = RepeatCheck::AfterState).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_a_send_that_times_out_is_repeated_under_its_msgid() {
    let kefu = Kefu::with(|setup| setup.set("wecom.timeout", "300ms")).await;
    // Longer than our patience: WeCom takes the message after we have given up.
    let delay = Duration::from_millis(600);
    kefu.fault_times("kf/send_msg", Effect::Delay { delay }, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.until("the late send has arrived", async || {
        kefu.report().sends_refused.contains_key(&95_033) || kefu.calls("kf/send_msg") == 2
    })
    .await;
    kefu.assert_each_answered_once(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_never_got_an_answer_is_taken_up_by_later_runs() {
    let kefu = Kefu::start().await;
    // More than the tries of one run: the part waits in the ladder and keeps its msgid.
    kefu.fault_times("kf/send_msg", Effect::InvalidJson, 7);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.quiet().await;
    kefu.assert_each_answered_once(1);
    assert_eq!(kefu.number("SELECT CAST(count(*) AS TEXT) FROM outbox").await, 1);
    assert_eq!((kefu.calls("kf/send_msg"), kefu.report().model_calls), (8, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_the_gap_of_an_unclear_send_waits_its_turn() {
    let kefu = Kefu::start().await;
    kefu.fault_times(
        "kf/send_msg",
        Effect::Status {
            status: 502,
            applied: true,
        },
        4,
    );
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the first run has failed", async || {
        3 <= kefu.calls("kf/send_msg")
    })
    .await;
    kefu.writes("wm1", &tagged(2)).await;
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
    assert_eq!(kefu.replies("wm1"), ["收到 #kf-t-1", "收到 #kf-t-2"]);
}

/// One refusal that stays: said once to us, and never asked for again.
async fn check_refused(code: i32, handled: &str) {
    let kefu = Kefu::start().await;
    kefu.fault("kf/send_msg", Effect::Error { code, message: None });
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, [handled], "{code}");
    assert_eq!(kefu.parts().await, ["failed"], "{code}");
    assert_eq!(kefu.calls("kf/send_msg"), 1, "{code}");
    let kept = kefu
        .column("SELECT CAST(error_code AS TEXT) || ' ' || error FROM outbox")
        .await;
    assert!(
        kept[0].starts_with(&format!("{code} kf/send_msg was refused")),
        "{kept:?}"
    );

    // The conversation goes on.
    kefu.simulator.clear_faults();
    kefu.writes("wm1", &tagged(2)).await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s35_a_spent_budget_is_final() {
    check_refused(95_001, "failed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s35_a_state_that_forbids_sending_is_final() {
    check_refused(95_018, "expired").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s35_a_closed_window_is_final() {
    check_refused(95_002, "expired").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s35_an_unlisted_refusal_of_a_first_call_is_final() {
    check_refused(12_345, "failed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulated_window_closes_before_the_send() {
    let kefu = Kefu::with(|setup| setup.simulator.model_delay = Duration::from_millis(800)).await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the turn has begun", async || {
        0 < kefu.calls("kf/service_state/get")
    })
    .await;
    kefu.simulator.advance_clock(Duration::from_secs(49 * 3600));
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, ["expired"]);
    assert_eq!(kefu.report().sends_refused[&95_002], 1);
    assert_eq!(kefu.report().sends, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_whose_state_cannot_be_read_gets_a_new_msgid() {
    let kefu = Kefu::with(|setup| {
        // A refused call that burns its msgid: were it repeated, "already used" would pass for "sent".
        setup.simulator.refused_msgid_used = true;
        setup.simulator.model_delay = Duration::from_millis(300);
    })
    .await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the turn has begun", async || {
        0 < kefu.calls("kf/service_state/get")
    })
    .await;
    kefu.simulator.advance_clock(Duration::from_secs(49 * 3600));
    kefu.fault_times(
        "kf/send_msg",
        Effect::Error {
            code: 95_018,
            message: None,
        },
        1,
    );
    kefu.fault_times(
        "kf/service_state/get",
        Effect::Status {
            status: 503,
            applied: false,
        },
        3,
    );
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, ["expired"]);
    assert_eq!(kefu.parts().await, ["cancelled", "failed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_after_an_unclear_call_stays_unknown_and_blocks_nothing() {
    let kefu = Kefu::start().await;
    kefu.fault_times("kf/send_msg", Effect::Cut { applied: false }, 1);
    kefu.until("the fault is set", async || !kefu.simulator.faults().is_empty())
        .await;
    kefu.fault_times(
        "kf/send_msg",
        Effect::Error {
            code: 95_001,
            message: None,
        },
        2,
    );
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.parts().await, ["unknown"]);
    kefu.simulator.clear_faults();
    kefu.writes("wm1", &tagged(2)).await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), ["收到 #kf-t-2"]);
}
