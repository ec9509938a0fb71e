//! Workers that die or stop, and rows whose jobs are gone.

use std::time::Duration;

use kefu_simulator::Effect;
use sqlx::Connection;

use crate::harness::{ACCOUNT, Kefu, tagged, wake_up};

const TIME_PASSES: &str = "UPDATE conversation SET wake_at = 1 WHERE wake_at IS NOT NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_a_worker_killed_again_and_again_loses_and_doubles_nothing() {
    let mut kefu = Kefu::with(|setup| {
        setup.simulator.page_size = 3;
        setup.simulator.model_delay = Duration::from_millis(20);
    })
    .await;
    kefu.fault_often("kf/send_msg", Effect::Cut { applied: true }, 0.2);
    for round in 0..6_usize {
        for number in round * 10..round * 10 + 10 {
            kefu.writes(&format!("wm{}", number % 7), &tagged(number)).await;
        }
        let answered = kefu.report().answered;
        kefu.until("some of it is answered", async || {
            answered + 2 <= kefu.report().answered
        })
        .await;
        kefu.kill_workers().await;
        kefu.start_worker();
    }
    kefu.handled_all(60).await;
    kefu.assert_each_answered_once(60);
    assert!(kefu.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s02_a_worker_killed_inside_each_call_loses_and_doubles_nothing() {
    let delay = Duration::from_millis(300);
    for api in [
        "gettoken",
        "kf/sync_msg",
        "kf/service_state/get",
        "model",
        "kf/send_msg",
    ] {
        let mut kefu = Kefu::start().await;
        kefu.fault(api, Effect::Delay { delay });
        kefu.writes("wm1", &tagged(1)).await;
        kefu.until("the message has arrived", async || 0 < kefu.report().callbacks)
            .await;
        for _ in 0..3 {
            // Anywhere in the delayed call, or just before or after it.
            let _ = tokio::time::timeout(delay / 2, kefu.simulator.changes().changed()).await;
            kefu.kill_workers().await;
            kefu.start_worker();
        }
        kefu.simulator.clear_faults();
        kefu.handled_all(1).await;
        kefu.assert_each_answered_once(1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s48_a_stop_lets_jobs_in_flight_end_and_another_worker_takes_the_rest() {
    let mut kefu = Kefu::with(|setup| setup.simulator.model_delay = Duration::from_millis(150)).await;
    for round in 0..3_usize {
        for number in round * 10..round * 10 + 10 {
            kefu.writes(&format!("wm{number}"), &tagged(number)).await;
        }
        let asked = kefu.report().model_calls;
        kefu.until("the model is asked", async || asked < kefu.report().model_calls)
            .await;
        kefu.stop_workers().await;
        const LEASED: &str = "SELECT CAST(count(*) AS TEXT) FROM conversation WHERE lease_owner IS NOT NULL";
        assert_eq!(kefu.number(LEASED).await, 0);
        kefu.start_worker();
    }
    kefu.handled_all(30).await;
    kefu.assert_each_answered_once(30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s48_a_stop_inside_the_merge_window_delays_nobody() {
    let mut kefu = Kefu::with(|setup| setup.set("conversation.merge_window", "8s")).await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the message is stored and its pull has ended", async || {
        kefu.handled().await == ["owed"] && kefu.waiting().await == 0
    })
    .await;
    kefu.stop_workers().await;
    assert_eq!(kefu.waiting().await, 1);
    kefu.start_worker();
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_copy_does_not_come_back_wakes_by_itself() {
    let kefu = Kefu::with(|setup| setup.set("queue.retry_steps", "1h")).await;
    kefu.fault(
        "kf/send_msg",
        Effect::Error {
            code: -1,
            message: None,
        },
    );
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the copy is away for an hour", async || {
        0 < kefu.calls("kf/send_msg") && kefu.waiting().await == 1
    })
    .await;
    kefu.simulator.clear_faults();
    assert_eq!(kefu.change(TIME_PASSES).await, 1);
    kefu.until("the customer is answered", async || kefu.report().answered == 1)
        .await;
    kefu.assert_each_answered_once(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_a_dead_holders_row_is_taken_over_and_its_unclear_part_is_sent_under_its_msgid() {
    let mut kefu = Kefu::with(|setup| setup.set("queue.retry_steps", "1h")).await;
    kefu.fault("kf/send_msg", Effect::Cut { applied: true });
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the send is unclear", async || {
        3 <= kefu.calls("kf/send_msg") && kefu.waiting().await == 1
    })
    .await;
    kefu.kill_workers().await;
    kefu.simulator.clear_faults();
    // As if the holder had died in the call: a lease of a job that nobody will ever deliver again.
    const HOLDER_GONE: &str =
        "UPDATE conversation SET lease_owner = 'gone', lease_until = 2, wake_at = 2, fence = fence + 1";
    assert_eq!(kefu.change(HOLDER_GONE).await, 1);
    kefu.start_worker();
    kefu.until("the part is settled", async || kefu.parts().await == ["sent"])
        .await;
    kefu.assert_each_answered_once(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_who_lost_the_row_while_the_model_thought_says_nothing() {
    let kefu = Kefu::with(|setup| setup.simulator.model_delay = Duration::from_millis(600)).await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the turn has begun", async || {
        0 < kefu.calls("kf/service_state/get")
    })
    .await;
    // Another holder took the row, and its lease runs out unused.
    const TAKEN: &str =
        "UPDATE conversation SET lease_owner = 'other', fence = fence + 1, lease_until = 1, wake_at = 1";
    assert_eq!(kefu.change(TAKEN).await, 1);
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert_eq!((kefu.calls("kf/send_msg"), kefu.report().model_calls), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_left_the_settings_gives_its_conversations_up() {
    let mut kefu = Kefu::start().await;
    kefu.fault(
        "kf/send_msg",
        Effect::Error {
            code: -1,
            message: None,
        },
    );
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the reply waits", async || kefu.parts().await == ["sending"])
        .await;
    kefu.stop_workers().await;
    kefu.set("apps.default.corp_id", "wwAnotherCorp");
    kefu.start_worker();
    kefu.until("it is given up", async || kefu.parts().await == ["unknown"])
        .await;
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    kefu.until("nothing waits", async || kefu.waiting().await == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_while_the_database_is_locked_jobs_wait_and_none_dies() {
    let kefu = Kefu::start().await;
    for number in 0..5 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    let lock = kefu.lock_database().await;
    for number in 5..30 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    // Longer than a statement may wait for its turn: the worker must have noticed.
    let locked_at = std::time::Instant::now();
    kefu.until("the time of the lock is over", async || {
        Duration::from_secs(6) <= locked_at.elapsed()
    })
    .await;
    let held_back = kefu.waiting().await;
    lock.close().await.unwrap();
    assert!(0 < held_back, "the lanes should keep the backlog");
    kefu.handled_all(30).await;
    kefu.assert_each_answered_once(30);
    assert!(kefu.dead_letters().await.is_empty());
}
