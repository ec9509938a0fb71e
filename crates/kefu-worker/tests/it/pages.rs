//! Pulling: pages that repeat, swap, stand still, or hold what nobody can read.

use futures::StreamExt;
use futures::stream;
use kefu_faults::mutator;
use kefu_simulator::Effect;
use kefu_simulator::world::Incoming;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, FALLBACK, Kefu, odd, tagged, wake_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s36_repeated_and_swapped_pages_bring_each_message_once() {
    let kefu = Kefu::with(|setup| {
        setup.simulator.page_size = 3;
        setup.simulator.empty_page_every = Some(4);
    })
    .await;
    kefu.fault_often("kf/sync_msg", Effect::RepeatPage, 0.4);
    kefu.fault_often("kf/sync_msg", Effect::SwapOrder, 0.5);
    for number in 0..40 {
        kefu.writes(&format!("wm{}", number % 8), &tagged(number)).await;
    }
    kefu.handled_all(40).await;
    kefu.assert_each_answered_once(40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s36_a_cursor_that_stands_still_is_a_failure_and_no_loop() {
    let kefu = Kefu::with(|setup| setup.simulator.page_size = 2).await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    kefu.fault_times("kf/sync_msg", Effect::RepeatCursor, 3);
    for number in 1..7 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.handled_all(7).await;
    kefu.assert_each_answered_once(7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s36_messages_are_answered_while_the_cursor_stands_still() {
    let kefu = Kefu::with(|setup| {
        setup.simulator.page_size = 2;
        setup.set("queue.retry_steps", "1h");
    })
    .await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    kefu.fault("kf/sync_msg", Effect::RepeatCursor);
    for number in 1..=2 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.until("both are answered", async || kefu.report().answered == 3)
        .await;
    let failures = "SELECT CAST(max(failures) AS TEXT) FROM account";
    kefu.until("the pull failed all the same", async || {
        1 <= kefu.number(failures).await
    })
    .await;
    // The same page once more brings nothing new.
    let pulls = kefu.calls("kf/sync_msg");
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    kefu.until("it was pulled again", async || pulls < kefu.calls("kf/sync_msg"))
        .await;
    kefu.simulator.clear_faults();
    kefu.writes("wm3", &tagged(3)).await;
    kefu.until("all are answered", async || kefu.report().answered == 4)
        .await;
    kefu.until("the failure is forgotten", async || {
        kefu.number(failures).await == 0
    })
    .await;
    kefu.assert_each_answered_once(4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s36_a_refused_callback_token_is_dropped_and_the_pull_goes_on() {
    let kefu = Kefu::start().await;
    kefu.fault_times(
        "kf/sync_msg",
        Effect::Error {
            code: 95_007,
            message: None,
        },
        1,
    );
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
async fn s37_thousands_of_wake_ups_merge_into_few_pulls() {
    let kefu = Kefu::start().await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    let before = kefu.report().sync_calls;
    kefu.fault(
        "kf/sync_msg",
        Effect::Delay {
            delay: std::time::Duration::from_millis(50),
        },
    );
    stream::iter(0..5_000)
        .for_each_concurrent(256, |_| async {
            kefu.publish(&wake_up("default", ACCOUNT)).await
        })
        .await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
    let pulls = kefu.report().sync_calls - before;
    assert!(pulls < 500, "{pulls} pulls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s37_a_message_that_comes_during_a_pull_is_not_forgotten() {
    let kefu = Kefu::start().await;
    let delay = std::time::Duration::from_millis(120);
    kefu.fault("kf/sync_msg", Effect::Delay { delay });
    for number in 0..8 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
        let calls = kefu.calls("kf/sync_msg");
        kefu.until("a pull has read its page", async || {
            calls < kefu.calls("kf/sync_msg")
        })
        .await;
    }
    kefu.handled_all(8).await;
    kefu.assert_each_answered_once(8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_in_a_page_does_not_hold_the_cursor() {
    let kefu = Kefu::with(|setup| setup.model = false).await;
    // Nobody is told before the page is full.
    kefu.fault("callback", Effect::Drop);
    let poison = [
        odd("msgid", json!("")),
        odd("msgid", json!({"deep": [[[[]]]]})),
        odd("msgid", json!("m".repeat(9_000))),
        odd("external_userid", json!(null)),
        odd("external_userid", json!(["wm"])),
        odd("external_userid", json!("w".repeat(9_000))),
        odd("origin", json!("nobody")),
        odd("send_time", json!({})),
        odd("send_time", json!(i64::MAX)),
        odd("text", json!("no object")),
        odd("text", json!({"content": "nul \u{0} inside"})),
        odd("text", json!({"content": ["a", 1]})),
        odd("event", json!(7)),
        odd(
            "event",
            json!({"event_type": "user_recall_msg", "recall_msgid": 5}),
        ),
    ];
    let count = poison.len();
    for message in poison {
        kefu.says(ACCOUNT, "wmPoison", message).await;
    }
    kefu.until("all callbacks are dropped", async || {
        kefu.report().callbacks_dropped == count as u64
    })
    .await;
    kefu.simulator.clear_faults();
    kefu.writes("wm1", "hello").await;
    kefu.until("the sound message is answered", async || {
        kefu.replies("wm1") == [FALLBACK]
    })
    .await;
    kefu.quiet().await;
    let stored = kefu.number("SELECT CAST(count(*) AS TEXT) FROM message").await;
    let unreadable = kefu.number("SELECT CAST(count(*) AS TEXT) FROM unreadable").await;
    assert_eq!(stored + unreadable, count as i64 + 1);
    assert!((4..=6).contains(&unreadable), "{unreadable}");
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM account")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_poisoned_messages_do_not_hold_the_cursor() {
    let kefu = Kefu::with(|setup| setup.model = false).await;
    kefu.fault("callback", Effect::Drop);
    let texts = mutator::TEXTS.iter().map(|text| format!("\"{text}\""));
    let others = mutator::NUMBERS.iter().chain(mutator::VALUES);
    // What is no JSON at all cannot come this way.
    let values: Vec<Value> = texts
        .chain(others.map(|value| (*value).to_owned()))
        .filter_map(|json| serde_json::from_str(&json).ok())
        .collect();
    let fields = [
        "msgid",
        "external_userid",
        "open_kfid",
        "send_time",
        "origin",
        "servicer_userid",
        "text",
        "event",
    ];
    let poison = fields
        .iter()
        .flat_map(|field| values.iter().map(|value| odd(field, value.clone())));
    let poison: Vec<_> = poison.collect();
    assert!(300 < poison.len(), "{}", poison.len());
    for message in &poison {
        kefu.says(ACCOUNT, "wmPoison", message.clone()).await;
    }
    kefu.until("all callbacks are dropped", async || {
        kefu.report().callbacks_dropped == poison.len() as u64
    })
    .await;
    kefu.simulator.clear_faults();
    for customer in ["wm1", "wm2"] {
        kefu.writes(customer, "hello").await;
        kefu.until("the sound message is answered", async || {
            kefu.replies(customer) == [FALLBACK]
        })
        .await;
    }
    kefu.quiet().await;
    assert_eq!(
        kefu.number("SELECT CAST(max(failures) AS TEXT) FROM account")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_longer_than_one_run_is_pulled_to_its_end() {
    let kefu = Kefu::with(|setup| {
        setup.simulator.page_size = 1;
        setup.set("conversation.first_run_age", "1h");
    })
    .await;
    kefu.fault("callback", Effect::Drop);
    for number in 0..70 {
        kefu.writes("wm1", &tagged(number)).await;
    }
    kefu.until("all callbacks are dropped", async || {
        kefu.report().callbacks_dropped == 70
    })
    .await;
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    kefu.handled_all(70).await;
    kefu.assert_each_answered_once(70);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_before_a_pull_failed_is_answered_without_waiting_for_the_next() {
    let kefu = Kefu::with(|setup| {
        setup.simulator.page_size = 1;
        setup.set("queue.retry_steps", "1h");
    })
    .await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    kefu.fault("callback", Effect::Drop);
    for number in 1..=20 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    let delay = std::time::Duration::from_millis(30);
    kefu.fault("kf/sync_msg", Effect::Delay { delay });
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    kefu.until("some pages are stored", async || 4 <= kefu.handled().await.len())
        .await;
    let refused = Effect::Error {
        code: 48_002,
        message: None,
    };
    kefu.fault("kf/sync_msg", refused);
    kefu.until("the rest waits for an hour", async || kefu.waiting().await == 1)
        .await;
    let stored = kefu.handled().await.len();
    assert!(stored < 21, "{stored}");
    // By their turns, not by the rows: those wake later.
    let stored_at = std::time::Instant::now();
    kefu.until("what is stored is answered", async || {
        kefu.report().answered == stored as u64
    })
    .await;
    assert!(stored_at.elapsed() < std::time::Duration::from_secs(5));
}

/// A kind of message nobody knows, so large that a page of a thousand is more than a worker takes.
fn huge(number: usize) -> Incoming {
    odd(
        "future",
        json!({ "number": number, "content": "x".repeat(16 * 1024) }),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let kefu = Kefu::with(|setup| setup.workers = 0).await;
    for number in 0..600 {
        kefu.says(ACCOUNT, "wm-much", huge(number)).await;
    }
    kefu.writes("wm1", &tagged(1)).await;
    let mut kefu = kefu;
    kefu.start_worker();
    kefu.until("the other customer is answered", async || {
        kefu.report().answered == 1
    })
    .await;
    let stored = "SELECT CAST(count(*) AS TEXT) FROM message WHERE origin = 'customer'";
    assert_eq!(kefu.number(stored).await, 601);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_too_slow_is_asked_for_in_smaller_ones() {
    let kefu = Kefu::with(|setup| setup.set("wecom.timeout", "300ms")).await;
    let delay = std::time::Duration::from_millis(600);
    kefu.fault_times("kf/sync_msg", Effect::Delay { delay }, 2);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    let failures = "SELECT CAST(max(failures) AS TEXT) FROM account";
    assert_eq!(kefu.number(failures).await, 0, "one run has done it");
}
