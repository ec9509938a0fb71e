//! Customers who wait in the pool: what they hear, at most once, and when nothing.

use kefu_simulator::Effect;
use kefu_simulator::world::ServicerAct;

use crate::handover::{COMES, acts, error, start_with, state};
use crate::harness::{Kefu, Setup};

const WAITS: &str = "请再等等。";
pub(crate) const NOTICES: &str = "SELECT purpose || ' ' || status FROM notice ORDER BY code_at";
/// Who waits in the pool for so long is told so.
async fn start_waiting(pool_wait: &str, change: impl FnOnce(&mut Setup)) -> Kefu {
    start_with(|setup| {
        setup.set("reply.pool_wait", pool_wait);
        setup.set("reply.pool_text", WAITS);
        change(setup);
    })
    .await
}

async fn until_notice(kefu: &Kefu, expected: &'static str) {
    kefu.until("the notice has ended", async || {
        kefu.column(NOTICES).await == [expected]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_long_in_the_pool_is_told_once() {
    let kefu = start_waiting("1s", |_| ()).await;
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(1).await;
    kefu.writes("wm1", "还在吗").await;
    until_notice(&kefu, "waiting sent").await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), [COMES, WAITS]);
    assert_eq!(kefu.handled().await, ["pool", "pool"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_longer_in_the_pool_is_not_told_to_wait() {
    let kefu = start_waiting("1s", |_| ()).await;
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(1).await;
    acts(&kefu, ServicerAct::Take).await;
    until_notice(&kefu, "waiting over").await;
    assert_eq!(kefu.replies("wm1"), [COMES]);
    assert_eq!(kefu.calls("kf/send_msg_on_event"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_waits_for_a_state_that_cannot_be_read_and_ends_with_its_customer() {
    let kefu = start_waiting("1s", |_| ()).await;
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(1).await;
    // WeCom is busy; then it dislikes the question, which says nothing about the customer.
    for (code, calls) in [(-1, 3), (40_058, 2)] {
        kefu.simulator.clear_faults();
        kefu.fault("kf/service_state/get", error(code));
        kefu.change("UPDATE notice SET wake_at = 1").await;
        let read = kefu.calls("kf/service_state/get");
        kefu.until("the state was asked for", async || {
            kefu.change("UPDATE notice SET wake_at = 1").await;
            read + calls <= kefu.calls("kf/service_state/get")
        })
        .await;
        assert_eq!(kefu.column(NOTICES).await, ["waiting pending"]);
    }
    kefu.simulator.clear_faults();
    kefu.fault("kf/service_state/get", error(40_096));
    kefu.change("UPDATE notice SET wake_at = 1").await;
    until_notice(&kefu, "waiting failed").await;
    assert_eq!(kefu.calls("kf/send_msg_on_event"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_whose_notice_is_cut_off_is_not_told_twice() {
    let kefu = start_waiting("1s", |_| ()).await;
    kefu.fault("kf/send_msg_on_event", Effect::Cut { applied: true });
    kefu.writes("wm1", "转人工").await;
    until_notice(&kefu, "waiting unknown").await;
    kefu.change("UPDATE notice SET wake_at = 1").await;
    kefu.writes("wm1", "还在吗").await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), [COMES, WAITS]);
    assert_eq!(kefu.calls("kf/send_msg_on_event"), 1);
}

/// Nothing can be sent before the move then: the code carries the text, and no other follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_five_messages_the_text_leaves_on_the_code() {
    let kefu = start_waiting("1s", |setup| setup.set("conversation.merge_window", "2s")).await;
    kefu.writes("wm1", "转人工").await;
    kefu.until("the message is stored", async || kefu.handled().await == ["owed"])
        .await;
    kefu.change("UPDATE conversation SET budget_used = 5").await;
    until_notice(&kefu, "handover sent").await;
    kefu.handled_all(1).await;
    assert_eq!((state(&kefu), kefu.replies("wm1")), (2, vec![COMES.to_owned()]));
    assert_eq!(
        (kefu.calls("kf/send_msg"), kefu.calls("kf/send_msg_on_event")),
        (0, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_wait_has_a_code_and_a_notice_of_its_own() {
    let kefu = start_waiting("1h", |_| ()).await;
    for round in 1..=2 {
        kefu.writes("wm1", "转人工").await;
        kefu.handled_all(round).await;
        acts(&kefu, ServicerAct::Take).await;
        acts(&kefu, ServicerAct::End).await;
    }
    assert_eq!(kefu.column(NOTICES).await, ["waiting over", "waiting pending"]);
    assert_eq!(kefu.replies("wm1"), [COMES, COMES]);
}
