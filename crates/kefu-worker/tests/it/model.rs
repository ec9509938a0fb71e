//! The model is slow, away, refuses, or says what no customer should see.

use std::time::Duration;

use kefu_simulator::Effect;

use crate::harness::{FALLBACK, Kefu, tagged};

fn status(status: u16) -> Effect {
    Effect::Status {
        status,
        applied: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_stays_away_gets_two_retries_and_then_the_fallback_is_said() {
    for effect in [status(503), status(429), Effect::Cut { applied: false }] {
        let kefu = Kefu::start().await;
        kefu.fault("model", effect);
        kefu.writes("wm1", &tagged(1)).await;
        kefu.handled_all(1).await;
        assert_eq!(kefu.replies("wm1"), [FALLBACK]);
        assert_eq!(kefu.report().model_calls, 3);
        assert!(kefu.dead_letters().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_comes_back_in_time_answers() {
    let kefu = Kefu::start().await;
    kefu.fault_times("model", status(500), 2);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_refuses_is_not_asked_again() {
    for effect in [status(401), status(404), Effect::InvalidJson] {
        let kefu = Kefu::start().await;
        kefu.fault("model", effect);
        kefu.writes("wm1", &tagged(1)).await;
        kefu.handled_all(1).await;
        assert_eq!(kefu.replies("wm1"), [FALLBACK]);
        assert_eq!(kefu.report().model_calls, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_slower_than_its_time_limit_is_not_waited_for() {
    let kefu = Kefu::with(|setup| {
        setup.set("ai.timeout", "200ms");
        setup.set("queue.retry_steps", "20ms,30ms,40ms");
    })
    .await;
    let delay = Duration::from_secs(5);
    kefu.fault("model", Effect::Delay { delay });
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), [FALLBACK]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_behind_a_busy_model_get_an_answer_all_the_same() {
    let kefu = Kefu::with(|setup| {
        setup.set("ai.concurrency", 1);
        setup.set("ai.timeout", "300ms");
        setup.set("queue.retry_steps", "20ms,30ms,40ms");
        setup.simulator.model_delay = Duration::from_millis(100);
    })
    .await;
    for number in 0..12 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.handled_all(12).await;
    for number in 0..12 {
        assert_eq!(kefu.replies(&format!("wm{number}")).len(), 1, "{number}");
    }
    assert_eq!(kefu.report().duplicated, 0);
}

/// The simulated model says after its opening words what the customer wrote.
async fn check_said(written: &str, said: &str) {
    let kefu = Kefu::start().await;
    kefu.writes("wm1", written).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), [said], "{written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_words_becomes_the_fallback() {
    check_said("</think>", FALLBACK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasoning_and_markdown_stay_inside() {
    check_said("secret plan</think>\n**您好** `ok`", "您好 ok").await;
    check_said(
        "</think>张**先生，138****5678，**已登记**",
        "张**先生，138****5678，已登记",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_the_settings_stay_inside() {
    let kefu = Kefu::with(|setup| setup.set("ai.thought_marks", "【想】…【/想】")).await;
    kefu.writes("wm1", "secret【/想】您好【想】secret").await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), ["您好"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_sees_what_was_said_before() {
    let kefu = Kefu::start().await;
    kefu.writes("wm1", "first #a").await;
    kefu.handled_all(1).await;
    kefu.writes("wm1", "second #b").await;
    kefu.handled_all(2).await;
    // It answers what stands behind the last answer: were the history missing or out of order, `#a` would come again.
    assert_eq!(kefu.replies("wm1"), ["收到 #a", "收到 #b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_between_the_models_failures_does_not_keep_the_fallback_away() {
    let kefu = Kefu::with(|setup| setup.set("queue.retry_steps", "400ms,500ms,600ms")).await;
    kefu.fault("model", status(503));
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the first run has failed", async || {
        kefu.report().model_calls == 1 && kefu.waiting().await == 1
    })
    .await;
    // The copy meets a rate limit: it is gone, and only the row knows of the turn.
    let too_often = Effect::Error {
        code: 45_009,
        message: None,
    };
    kefu.fault_times("kf/service_state/get", too_often, 1);
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), [FALLBACK]);
}
