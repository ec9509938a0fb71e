//! The life of a customer's message when nothing goes wrong.

use kefu_simulator::Effect;
use kefu_simulator::world::Incoming;
use serde_json::json;

use crate::harness::{ACCOUNT, FALLBACK, Kefu, OTHER_ACCOUNT, tagged, wake_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_many_customers_over_empty_pages_and_two_accounts_are_answered_once_each() {
    let kefu = Kefu::with(|setup| {
        setup.simulator.page_size = 5;
        setup.simulator.empty_page_every = Some(3);
        setup.set("conversation.merge_window", "50ms");
    })
    .await;
    for number in 0..60 {
        let account = [ACCOUNT, OTHER_ACCOUNT][number % 2];
        let customer = format!("wm{}", number % 10);
        kefu.says(account, &customer, Incoming::text(tagged(number)))
            .await;
    }
    kefu.handled_all(60).await;
    kefu.assert_each_answered_once(60);
    assert!(kefu.handled().await.iter().all(|how| how == "answered"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_customer_writes_in_one_go_is_answered_together() {
    let kefu = Kefu::with(|setup| setup.set("conversation.merge_window", "400ms")).await;
    for number in 0..4 {
        kefu.writes("wm1", &tagged(number)).await;
    }
    kefu.handled_all(4).await;
    kefu.assert_each_answered_once(4);
    assert_eq!((kefu.replies("wm1").len(), kefu.report().model_calls), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_customer_at_two_accounts_has_two_conversations() {
    let kefu = Kefu::start().await;
    kefu.says(ACCOUNT, "wm1", Incoming::text("one #a")).await;
    kefu.says(OTHER_ACCOUNT, "wm1", Incoming::text("two #b")).await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies_of(ACCOUNT, "wm1"), ["收到 #a"]);
    assert_eq!(kefu.replies_of(OTHER_ACCOUNT, "wm1"), ["收到 #b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_messages_are_answered_in_their_order() {
    let kefu = Kefu::start().await;
    for number in 0..5 {
        kefu.writes("wm1", &format!("#n{number}")).await;
        kefu.handled_all(number + 1).await;
    }
    let expected: Vec<String> = (0..5).map(|number| format!("收到 #n{number}")).collect();
    assert_eq!(kefu.replies("wm1"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_no_text_are_answered_too() {
    let kefu = Kefu::with(|setup| setup.model = false).await;
    let messages = [
        ("image", json!({"media_id": "m"})),
        ("voice", json!({"media_id": "m"})),
        ("file", json!({"media_id": "m"})),
        (
            "location",
            json!({"latitude": 1.5, "longitude": 2, "name": "shop", "address": "street"}),
        ),
        ("link", json!({"title": "t", "url": "https://example.com"})),
        ("merged_msg", json!({"title": "chat", "item": []})),
        ("something_new", json!({"a": [1, {"b": null}]})),
    ];
    for (number, (msgtype, body)) in messages.iter().enumerate() {
        let incoming = Incoming {
            msgtype: (*msgtype).to_owned(),
            body: body.clone(),
        };
        kefu.says(ACCOUNT, &format!("wm{number}"), incoming).await;
    }
    kefu.handled_all(messages.len()).await;
    for number in 0..messages.len() {
        assert_eq!(kefu.replies(&format!("wm{number}")), [FALLBACK], "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_reaches_the_model_as_a_placeholder() {
    let kefu = Kefu::start().await;
    let image = Incoming {
        msgtype: "image".to_owned(),
        body: json!({"media_id": "m"}),
    };
    kefu.says(ACCOUNT, "wm1", image).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), ["（演示模型）您说：[图片]"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_and_forwarded_chats_reach_the_model_in_words() {
    let kefu = Kefu::with(|setup| setup.set("reply.handover_keywords", "人工")).await;
    let said = r#"{"msgtype":"text","text":{"content":"我要转人工"}}"#;
    let messages = [
        (
            "channels_shop_product",
            json!({"product_id": "P7", "title": "保温杯", "sales_price": 5900, "head_img": "h"}),
            "[商品] 保温杯；价格：¥59.00；商品编号：P7",
        ),
        (
            "location",
            json!({"latitude": 39.9042, "longitude": 116.4074, "name": "", "address": ""}),
            "[位置] 纬度 39.9042，经度 116.4074",
        ),
        // Somebody else's words in it: the customer has not asked for a person.
        (
            "merged_msg",
            json!({"title": "群聊", "item": [{"msgtype": "text", "sender_name": "张三", "msg_content": said}]}),
            "[聊天记录] 群聊；张三：我要转人工",
        ),
    ];
    for (number, (msgtype, body, _)) in messages.iter().enumerate() {
        let incoming = Incoming {
            msgtype: (*msgtype).to_owned(),
            body: body.clone(),
        };
        kefu.says(ACCOUNT, &format!("wm{number}"), incoming).await;
    }
    kefu.handled_all(messages.len()).await;
    for (number, (.., line)) in messages.iter().enumerate() {
        assert_eq!(
            kefu.replies(&format!("wm{number}")),
            [format!("（演示模型）您说：{line}")]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_of_blanks_asks_nothing() {
    let kefu = Kefu::start().await;
    kefu.writes("wm1", " \n ").await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.handled().await, ["no_reply"]);
    assert_eq!(kefu.report().sends, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_the_app_does_not_serve_is_left_alone() {
    let kefu = Kefu::with(|setup| setup.set("apps.default.accounts", OTHER_ACCOUNT)).await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.says(OTHER_ACCOUNT, "wm1", Incoming::text(tagged(2))).await;
    kefu.until("both callbacks are in", async || kefu.report().callbacks == 2)
        .await;
    kefu.handled_all(1).await;
    assert!(kefu.replies("wm1").is_empty());
    assert_eq!(kefu.replies_of(OTHER_ACCOUNT, "wm1"), ["收到 #kf-t-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_up_without_an_account_wakes_all_accounts_of_the_app() {
    let kefu = Kefu::start().await;
    kefu.fault("callback", Effect::Drop);
    kefu.says(ACCOUNT, "wm1", Incoming::text(tagged(1))).await;
    kefu.says(OTHER_ACCOUNT, "wm2", Incoming::text(tagged(2))).await;
    kefu.until("both callbacks are dropped", async || {
        kefu.report().callbacks_dropped == 2
    })
    .await;
    kefu.publish(&wake_up("default", "")).await;
    kefu.handled_all(2).await;
    kefu.assert_each_answered_once(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s39_two_workers_on_one_queue_answer_each_message_once() {
    let kefu = Kefu::with(|setup| {
        setup.workers = 2;
        setup.simulator.page_size = 4;
    })
    .await;
    for number in 0..60 {
        let account = [ACCOUNT, OTHER_ACCOUNT][number % 2];
        kefu.says(
            account,
            &format!("wm{}", number % 6),
            Incoming::text(tagged(number)),
        )
        .await;
    }
    kefu.handled_all(60).await;
    kefu.assert_each_answered_once(60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s38_a_customer_whose_callback_was_lost_is_answered_by_the_slow_poll() {
    let kefu = Kefu::with(|setup| setup.set("worker.poll_after", "100ms")).await;
    kefu.writes("wm1", "first #a").await;
    kefu.handled_all(1).await;
    kefu.fault("callback", Effect::Drop);
    kefu.writes("wm1", "second #b").await;
    kefu.handled_all(2).await;
    assert_eq!(kefu.replies("wm1"), ["收到 #a", "收到 #b"]);
    assert_eq!(kefu.report().callbacks_dropped, 1);
}
