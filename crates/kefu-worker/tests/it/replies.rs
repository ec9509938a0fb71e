//! What is said: rules, long texts, nothing at all.

use std::time::Duration;

use kefu_simulator::Effect;

use crate::harness::{Kefu, tagged};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_rule_that_hits_answers_without_the_model() {
    let kefu =
        Kefu::with(|setup| setup.set("reply.rules", "退款,Refund => 请点击申请退款\nfund => second")).await;
    kefu.writes("wm1", "I want a REFUND please").await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), ["请点击申请退款"]);
    assert_eq!(kefu.report().model_calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_reply_goes_out_in_ordered_parts() {
    let long = |count: usize| {
        let words: Vec<String> = (0..count).map(|number| format!("word{number:05}")).collect();
        words.join(" ")
    };
    let rules = format!("four => {}\nmany => {}", long(700), long(2000));
    let kefu = Kefu::with(|setup| setup.set("reply.rules", rules)).await;

    kefu.writes("wm1", "four").await;
    kefu.handled_all(1).await;
    let parts = kefu.replies("wm1");
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| part.len() <= 2048));
    assert_eq!(parts.join(" "), long(700));

    kefu.writes("wm2", "many").await;
    kefu.handled_all(2).await;
    let parts = kefu.replies("wm2");
    assert_eq!(parts.len(), 5);
    assert!(long(2000).starts_with(parts.join(" ").trim_end_matches('…')));
    assert!(kefu.report().sends_refused.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fallback_text_nothing_is_said() {
    let kefu = Kefu::with(|setup| {
        setup.model = false;
        setup.set("reply.fallback", "");
    })
    .await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, ["no_reply"]);
    assert_eq!(kefu.report().sends, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_keep_their_order_over_cuts_pauses_and_a_newer_message() {
    let words: Vec<String> = (0..700).map(|number| format!("once{number:05}")).collect();
    let long = words.join(" ");
    let rules = format!("one => {long}\ntwo => done");
    let kefu = Kefu::with(|setup| setup.set("reply.rules", rules)).await;
    kefu.fault_often("kf/send_msg", Effect::Cut { applied: true }, 0.3);
    kefu.writes("wm1", "one").await;
    kefu.until("the first part is out", async || 0 < kefu.report().sends)
        .await;
    let too_often = Effect::Error {
        code: 45_009,
        message: None,
    };
    kefu.fault_times("kf/send_msg", too_often, 1);
    kefu.until("a part was refused", async || {
        kefu.parts().await.contains(&"cancelled".to_owned())
    })
    .await;
    kefu.writes("wm1", "two").await;
    kefu.handled_all(2).await;
    let parts = kefu.replies("wm1");
    let (last, first) = parts.split_last().unwrap();
    assert_eq!((first.join(" ").as_str(), last.as_str()), (long.as_str(), "done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_in_the_middle_of_a_reply_ends_it_and_the_conversation_goes_on() {
    let words: Vec<String> = (0..700).map(|number| format!("once{number:05}")).collect();
    let rules = format!("one => {}\ntwo => done", words.join(" "));
    let kefu = Kefu::with(|setup| setup.set("reply.rules", rules)).await;
    kefu.fault_times("kf/send_msg", Effect::Undelivered { fail_type: 10 }, 1);
    let delay = Duration::from_millis(400);
    kefu.fault("kf/send_msg", Effect::Delay { delay });
    kefu.writes("wm1", "one").await;
    kefu.until("the report has dropped the rest", async || {
        kefu.parts().await.contains(&"cancelled".to_owned())
    })
    .await;
    kefu.simulator.clear_faults();
    kefu.writes("wm1", "two").await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1").last().unwrap(), "done");
    assert_eq!(kefu.handled().await, ["failed", "answered"]);
}
