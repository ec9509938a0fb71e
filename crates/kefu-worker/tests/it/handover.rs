//! Customers who ask for a person: what they are told, and when Kefu is silent.

use std::time::Duration;

use kefu_simulator::Effect;
use kefu_simulator::world::{Servicer, ServicerAct};

use crate::harness::{ACCOUNT, Kefu, Setup, tagged};
use crate::pool::NOTICES;

pub(crate) const COMES: &str = "请稍候，人工客服马上就来。";
const NOBODY: &str = "人工客服不在。";
const TRANS: &str = "kf/service_state/trans";

async fn start() -> Kefu {
    start_with(|_| ()).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Setup)) -> Kefu {
    Kefu::with(|setup| {
        setup.set("reply.handover", COMES);
        setup.set("reply.handover_failed", NOBODY);
        change(setup);
    })
    .await
}

pub(crate) async fn acts(kefu: &Kefu, act: ServicerAct) {
    kefu.simulator
        .servicer_acts(Some(ACCOUNT), "wm1", "AgentLi", &act)
        .await
        .unwrap();
}

pub(crate) fn state(kefu: &Kefu) -> u8 {
    kefu.simulator.chat(Some(ACCOUNT), "wm1", 0).unwrap().state
}

pub(crate) fn error(code: i32) -> Effect {
    Effect::Error { code, message: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_hands_the_customer_over_and_kefu_is_silent_until_it_is_handed_back() {
    let kefu = start().await;
    kefu.writes("wm1", "转人工，谢谢").await;
    kefu.handled_all(1).await;
    assert_eq!((state(&kefu), kefu.handled().await), (2, vec!["pool".to_owned()]));

    kefu.writes("wm1", "还在吗").await;
    kefu.handled_all(2).await;
    acts(&kefu, ServicerAct::Take).await;
    kefu.writes("wm1", "您好").await;
    kefu.handled_all(3).await;
    assert_eq!(kefu.handled().await, ["pool", "pool", "human"]);
    assert_eq!(kefu.replies("wm1"), [COMES]);
    assert!(kefu.column(NOTICES).await.is_empty(), "no wait is set");

    acts(&kefu, ServicerAct::End).await;
    kefu.writes("wm1", &tagged(4)).await;
    kefu.handled_all(4).await;
    assert_eq!(kefu.replies("wm1"), [COMES, "收到 #kf-t-4"]);
    assert_eq!((kefu.calls("kf/send_msg"), kefu.calls(TRANS)), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mention_of_a_person_is_answered_by_the_model() {
    let kefu = start().await;
    for (number, text) in ["人工智能是什么？", "不用转人工，谢谢", "你是人工还是机器人"]
        .iter()
        .enumerate()
    {
        kefu.writes("wm1", text).await;
        kefu.handled_all(number + 1).await;
    }
    assert_eq!(kefu.handled().await, ["answered"; 3]);
    assert_eq!((kefu.calls(TRANS), kefu.report().model_calls), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_text_the_customer_is_handed_over_silently() {
    let kefu = start_with(|setup| setup.set("reply.handover", "")).await;
    kefu.writes("wm1", "人工").await;
    kefu.handled_all(1).await;
    assert_eq!((state(&kefu), kefu.handled().await), (2, vec!["pool".to_owned()]));
    assert_eq!(kefu.calls("kf/send_msg"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_whose_answer_is_cut_off_is_not_followed_by_a_reply() {
    let kefu = start().await;
    kefu.fault_times(TRANS, Effect::Cut { applied: true }, 1);
    kefu.writes("wm1", "human please").await;
    kefu.handled_all(1).await;
    assert_eq!((state(&kefu), kefu.handled().await), (2, vec!["pool".to_owned()]));
    assert_eq!(kefu.replies("wm1"), [COMES]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_that_fails_for_a_while_is_announced_once_and_made() {
    let kefu = start().await;
    kefu.fault_times(TRANS, error(-1), 2);
    kefu.fault_times("kf/send_msg", Effect::Cut { applied: true }, 1);
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(1).await;
    assert_eq!((state(&kefu), kefu.replies("wm1")), (2, vec![COMES.to_owned()]));
    assert_eq!(
        (kefu.calls(TRANS), kefu.handled().await),
        (3, vec!["pool".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_handed_over_is_told_so_once_and_answered_from_then_on() {
    for refusal in [48_002, 95_014, 95_016, 95_017, 95_019] {
        let kefu = start().await;
        kefu.fault(TRANS, error(refusal));
        kefu.writes("wm1", "转人工").await;
        kefu.handled_all(1).await;
        assert_eq!(kefu.replies("wm1"), [COMES, NOBODY], "{refusal}");
        kefu.writes("wm1", &tagged(2)).await;
        kefu.handled_all(2).await;
        assert_eq!(kefu.replies("wm1"), [COMES, NOBODY, "收到 #kf-t-2"], "{refusal}");
        assert_eq!(kefu.handled().await, ["answered"; 2]);
        assert_eq!((kefu.calls(TRANS), kefu.report().model_calls), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_limit_of_the_move_is_waited_for_and_a_long_one_is_told() {
    let short = start().await;
    short.fault_times(TRANS, error(45_009), 1);
    short.writes("wm1", "转人工").await;
    short.handled_all(1).await;
    assert_eq!((state(&short), short.replies("wm1")), (2, vec![COMES.to_owned()]));

    let long = start_with(|setup| setup.set("worker.rate_pause", "10m")).await;
    long.fault(TRANS, error(45_009));
    long.writes("wm1", "转人工").await;
    long.handled_all(1).await;
    assert_eq!(long.replies("wm1"), [COMES, NOBODY]);
    // Known from then on.
    long.writes("wm2", "转人工").await;
    long.writes("wm1", &tagged(2)).await;
    long.handled_all(3).await;
    assert_eq!(long.replies("wm2"), [NOBODY]);
    assert_eq!(long.replies("wm1"), [COMES, NOBODY, "收到 #kf-t-2"]);
    // The first one, and the one that asked whether the limit was real.
    assert_eq!((state(&long), long.calls(TRANS)), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_handed_over_is_answered() {
    let kefu = start_with(|setup| {
        setup.set("reply.handover", "");
        setup.set("reply.handover_failed", "");
    })
    .await;
    kefu.fault(TRANS, error(48_002));
    kefu.writes("wm1", &format!("人工 {}", tagged(1))).await;
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert_eq!(kefu.calls(TRANS), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_that_keeps_failing_ends_with_an_answer() {
    let kefu = start().await;
    kefu.fault(TRANS, error(-1));
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), [COMES, NOBODY]);
    assert_eq!(
        (state(&kefu), kefu.handled().await),
        (0, vec!["answered".to_owned()])
    );
}

/// The customer asks for a person and writes again before the text about it has left.
async fn written_meanwhile(kefu: &Kefu, texts: &[&str]) {
    kefu.fault_times("kf/send_msg", error(45_009), 1);
    kefu.writes("wm1", "转人工").await;
    kefu.until("the text waits", async || {
        kefu.parts().await == ["cancelled", "planned"]
    })
    .await;
    for text in texts {
        kefu.writes("wm1", text).await;
    }
    kefu.handled_all(1 + texts.len()).await;
}

/// All persons of the account stop receiving.
async fn off_duty(kefu: &Kefu) {
    for servicer in ["AgentLi", "AgentWang"] {
        kefu.simulator
            .servicer_changes(servicer, Servicer::Stopped)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_is_on_duty_the_customer_is_told_so_and_answered_on() {
    let kefu = start().await;
    off_duty(&kefu).await;
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(1).await;
    assert_eq!((state(&kefu), kefu.replies("wm1")), (0, vec![NOBODY.to_owned()]));
    kefu.writes("wm1", &tagged(2)).await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), [NOBODY, "收到 #kf-t-2"]);
    // Somebody begins.
    kefu.simulator
        .servicer_changes("AgentLi", Servicer::Receiving)
        .await
        .unwrap();
    kefu.writes("wm1", "转人工").await;
    kefu.handled_all(3).await;
    assert_eq!((state(&kefu), kefu.calls(TRANS)), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_somebody_is_on_duty_need_not_be_known() {
    for (setting, fault) in [
        ("wait", None),
        ("tell", Some(error(60_011))),
        ("tell", Some(error(-1))),
    ] {
        let kefu = start_with(|setup| setup.set("reply.handover_off_duty", setting)).await;
        off_duty(&kefu).await;
        if let Some(fault) = fault {
            kefu.fault("kf/servicer/list", fault);
        }
        kefu.writes("wm1", "转人工").await;
        kefu.handled_all(1).await;
        assert_eq!((state(&kefu), kefu.replies("wm1")), (2, vec![COMES.to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_a_person_is_asked_for_overtakes_nothing() {
    let kefu = start().await;
    written_meanwhile(&kefu, &[&tagged(2), "人工！"]).await;
    assert_eq!((state(&kefu), kefu.replies("wm1")), (2, vec![COMES.to_owned()]));
    assert_eq!(kefu.handled().await, ["pool"; 3]);
    assert_eq!(kefu.calls(TRANS), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_a_person_is_refused_is_answered_and_asks_for_none_again() {
    let kefu = start().await;
    kefu.fault(TRANS, error(95_017));
    written_meanwhile(&kefu, &[&tagged(2), "人工！"]).await;
    assert_eq!(kefu.replies("wm1"), [COMES, NOBODY, "收到 #kf-t-2"]);
    assert_eq!(kefu.handled().await, ["answered"; 3]);
    assert_eq!(kefu.calls(TRANS), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_comes_by_themselves_is_not_announced() {
    let kefu = start().await;
    kefu.fault_times("kf/send_msg", error(45_009), 1);
    kefu.writes("wm1", "转人工").await;
    kefu.until("the text waits", async || {
        kefu.parts().await == ["cancelled", "planned"]
    })
    .await;
    acts(&kefu, ServicerAct::Take).await;
    kefu.handled_all(1).await;
    assert_eq!(
        (state(&kefu), kefu.handled().await),
        (3, vec!["human".to_owned()])
    );
    assert!(kefu.replies("wm1").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_inside_each_call_hands_over_once_and_says_so_once() {
    let delay = Duration::from_millis(300);
    for api in ["kf/service_state/get", "kf/send_msg", TRANS] {
        let mut kefu = start().await;
        kefu.fault(api, Effect::Delay { delay });
        kefu.writes("wm1", "转人工").await;
        kefu.until("the message has arrived", async || 0 < kefu.report().callbacks)
            .await;
        for _ in 0..4 {
            // Anywhere in the delayed call, or just before or after it.
            let _ = tokio::time::timeout(delay / 2, kefu.simulator.changes().changed()).await;
            kefu.kill_workers().await;
            kefu.start_worker();
        }
        kefu.simulator.clear_faults();
        kefu.handled_all(1).await;
        assert_eq!(
            (state(&kefu), kefu.replies("wm1")),
            (2, vec![COMES.to_owned()]),
            "{api}"
        );
        assert_eq!(kefu.handled().await, ["pool"]);
        assert_eq!(kefu.report().model_calls, 0);
    }
}
