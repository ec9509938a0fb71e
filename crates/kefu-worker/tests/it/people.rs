//! Customers who take back, and people who take over.

use std::time::Duration;

use kefu_simulator::Effect;
use kefu_simulator::world::ServicerAct;

use crate::harness::{ACCOUNT, Kefu, tagged};

const SERVICER: &str = "AgentLi";

async fn acts(kefu: &Kefu, act: ServicerAct) {
    kefu.simulator
        .servicer_acts(Some(ACCOUNT), "wm1", SERVICER, &act)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_takes_over_while_the_model_thinks_is_not_interrupted() {
    // Shorter and longer than the age up to which a session state is trusted.
    for (thinks_ms, sends) in [(600, 1), (1_300, 0)] {
        let kefu = Kefu::with(|setup| setup.simulator.model_delay = Duration::from_millis(thinks_ms)).await;
        kefu.writes("wm1", &tagged(1)).await;
        kefu.until("the state was read", async || {
            0 < kefu.calls("kf/service_state/get")
        })
        .await;
        acts(&kefu, ServicerAct::Take).await;
        kefu.handled_all(1).await;
        assert_eq!(kefu.handled().await, ["human"]);
        assert!(kefu.replies("wm1").is_empty());
        assert_eq!(kefu.calls("kf/send_msg"), sends);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_takes_over_between_decision_and_send_is_not_interrupted() {
    let kefu = Kefu::start().await;
    kefu.fault_times(
        "kf/send_msg",
        Effect::Error {
            code: 45_009,
            message: None,
        },
        1,
    );
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the reply waits", async || {
        kefu.parts().await == ["cancelled", "planned"]
    })
    .await;
    acts(&kefu, ServicerAct::Take).await;
    kefu.handled_all(1).await;
    kefu.until("the reply is dropped", async || {
        kefu.parts().await == ["cancelled", "cancelled"]
    })
    .await;
    kefu.quiet().await;
    assert_eq!(kefu.handled().await, ["human"]);
    assert_eq!(kefu.calls("kf/send_msg"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_waits_gives_way_to_a_newer_message() {
    let kefu = Kefu::start().await;
    kefu.fault_times(
        "kf/send_msg",
        Effect::Error {
            code: 45_009,
            message: None,
        },
        1,
    );
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the reply waits", async || {
        kefu.parts().await == ["cancelled", "planned"]
    })
    .await;
    kefu.writes("wm1", &tagged(2)).await;
    kefu.until("both are answered", async || kefu.report().answered == 2)
        .await;
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
    assert_eq!(kefu.replies("wm1"), ["收到 #kf-t-1 #kf-t-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_has_answered_is_not_answered_again() {
    let kefu = Kefu::start().await;
    kefu.fault_times("callback", Effect::Drop, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("nobody was told", async || kefu.report().callbacks_dropped == 1)
        .await;
    let text = "我来回答".to_owned();
    acts(&kefu, ServicerAct::Reply { text }).await;
    acts(&kefu, ServicerAct::End).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, ["human"]);
    assert_eq!(kefu.calls("kf/send_msg"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_taken_back_is_not_answered() {
    let kefu = Kefu::start().await;
    kefu.fault_times("callback", Effect::Drop, 1);
    let msgid = kefu.writes("wm1", &tagged(1)).await;
    kefu.until("nobody was told", async || kefu.report().callbacks_dropped == 1)
        .await;
    kefu.simulator
        .customer_recalls(Some(ACCOUNT), "wm1", &msgid)
        .await
        .unwrap();
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, ["recalled"]);
    assert_eq!(kefu.calls("kf/send_msg"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_wecom_could_not_deliver_is_kept_as_failed() {
    let kefu = Kefu::start().await;
    kefu.fault_times("kf/send_msg", Effect::Undelivered { fail_type: 10 }, 1);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the report has come", async || kefu.parts().await == ["failed"])
        .await;
    kefu.quiet().await;
    assert_eq!(kefu.handled().await, ["failed"]);
    assert_eq!(kefu.calls("kf/send_msg"), 1);
}
