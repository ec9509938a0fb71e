//! What a customer sees, with everything in one process on embedded engines.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{Role, Simulator, both_roles, eventually, metric};

const FALLBACK: &str = "您好，您的消息已收到，我们会尽快回复您。";
const COMES: &str = "正在为您转接人工客服，请稍候。";
const NOBODY: &str = "抱歉，人工客服暂时无法接入。请告诉我您需要什么帮助，我会尽力为您解答。";
const WELCOME: &str = "您好，很高兴为您服务，请问有什么可以帮您？";

/// Kefu without a model, beside its simulated WeCom.
struct Shop {
    simulator: Simulator,
    kefu: Role,
    _folder: TempDir,
}

async fn open(more: &[(&str, &str)]) -> Shop {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let kefu = both_roles(folder.path(), &simulator, more).await;
    Shop {
        simulator,
        kefu,
        _folder: folder,
    }
}

impl Shop {
    /// So many messages have ended this way.
    async fn handled(&self, outcome: &str, count: f64) {
        let label = format!("outcome=\"{outcome}\"");
        eventually(&format!("{count} messages are {outcome}"), async || {
            let handled = metric(&self.kefu.metrics().await, "message_processed_total", &[&label]);
            (count <= handled).then_some(())
        })
        .await;
    }

    async fn close(self) {
        self.kefu.running.terminate().await;
        self.kefu.running.ended().await.check_code(0);
    }
}

#[tokio::test]
async fn a_rule_answers_its_word_and_the_fallback_everything_else() {
    let rules = "退款,Refund => 一到三个工作日退款。\n你好 => 您好！";
    let shop = open(&[("KEFU_REPLY__RULES", rules)]).await;
    for (customer, text, expected) in [
        ("wang", "怎么退款？", "一到三个工作日退款。"),
        ("li", "REFUND please", "一到三个工作日退款。"),
        ("zhao", "你好，退款", "一到三个工作日退款。"),
        ("qian", "在吗", FALLBACK),
    ] {
        shop.simulator.says(customer, json!({ "text": text })).await;
        assert_eq!(shop.simulator.answers(customer, 1).await, [expected], "{text}");
    }
    // What is no text is answered, too.
    shop.simulator.says("sun", json!({ "image": {} })).await;
    assert_eq!(shop.simulator.answers("sun", 1).await, [FALLBACK]);
    shop.close().await;
}

#[tokio::test]
async fn a_model_is_asked_when_one_is_set_and_no_rule_fits() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let model = format!("{}/v1", simulator.url);
    let more = [
        ("KEFU_AI__BASE_URL", model.as_str()),
        ("KEFU_REPLY__RULES", "退款 => 规则"),
    ];
    let kefu = both_roles(folder.path(), &simulator, &more).await;
    simulator.says("wang", json!({ "text": "营业吗" })).await;
    assert_eq!(simulator.answers("wang", 1).await, ["（演示模型）您说：营业吗"]);
    simulator.says("wang", json!({ "text": "退款" })).await;
    assert_eq!(simulator.answers("wang", 2).await[1], "规则");
    assert_eq!(simulator.report().await["model_calls"], 1);
    drop(kefu);
}

#[tokio::test]
async fn who_asks_for_a_person_is_told_so_and_waits_in_the_pool_and_kefu_is_silent() {
    let shop = open(&[]).await;
    shop.simulator.says("wang", json!({ "text": "我要转人工" })).await;
    eventually("the session waits in the pool", async || {
        (shop.simulator.chat("wang").await["state"] == 2).then_some(())
    })
    .await;
    shop.simulator.says("wang", json!({ "text": "还在吗" })).await;
    shop.handled("pool", 2.0).await;
    assert_eq!(shop.simulator.replies("wang").await, [COMES]);
    assert_eq!(shop.simulator.report().await["sends"], 1);
    shop.close().await;
}

#[tokio::test]
async fn who_only_mentions_a_person_is_answered() {
    let shop = open(&[("KEFU_REPLY__HANDOVER_EXCEPTIONS", "人工密室")]).await;
    let texts = [
        "人工智能是什么？",
        "不要人工",
        "你是真人吗",
        "human rights",
        "预订人工密室",
    ];
    for (number, text) in texts.iter().enumerate() {
        let customer = format!("customer{number}");
        shop.simulator.says(&customer, json!({ "text": text })).await;
        assert_eq!(shop.simulator.answers(&customer, 1).await, [FALLBACK], "{text}");
    }
    shop.close().await;
}

#[tokio::test]
async fn who_cannot_be_handed_over_is_told_so() {
    let shop = open(&[]).await;
    let refused = json!({ "api": "kf/service_state/trans", "kind": "error", "code": 95017 });
    shop.simulator.fault(refused).await;
    shop.simulator.says("wang", json!({ "text": "转人工" })).await;
    assert_eq!(shop.simulator.answers("wang", 2).await, [COMES, NOBODY]);
    shop.simulator.says("wang", json!({ "text": "在吗" })).await;
    assert_eq!(shop.simulator.answers("wang", 3).await, [COMES, NOBODY, FALLBACK]);
    shop.close().await;
}

#[tokio::test]
async fn who_enters_is_welcomed_exactly_once() {
    let shop = open(&[]).await;
    shop.simulator.enters("wang").await;
    assert_eq!(shop.simulator.answers("wang", 1).await, [WELCOME]);
    shop.simulator.enters("wang").await;
    shop.simulator.says("wang", json!({ "text": "在吗" })).await;
    assert_eq!(shop.simulator.answers("wang", 2).await, [WELCOME, FALLBACK]);
    assert_eq!(shop.simulator.report().await["welcomes"], 1);
    shop.close().await;
}

#[tokio::test]
async fn what_was_taken_back_before_the_turn_is_not_answered() {
    let rules = "秘密 => 秘密收到\n再见 => 再见收到";
    let shop = open(&[
        ("KEFU_REPLY__RULES", rules),
        ("KEFU_CONVERSATION__MERGE_WINDOW", "3s"),
    ])
    .await;
    let msgid = shop.simulator.says("wang", json!({ "text": "秘密" })).await;
    shop.simulator.recalls("wang", &msgid).await;
    shop.simulator.says("wang", json!({ "text": "再见" })).await;
    assert_eq!(shop.simulator.answers("wang", 1).await, ["再见收到"]);
    assert_eq!(shop.simulator.report().await["sends"], 1);
    shop.close().await;
}

#[tokio::test]
async fn after_48_hours_nothing_is_sent_and_a_refused_send_is_not_hammered() {
    let shop = open(&[("KEFU_CONVERSATION__MERGE_WINDOW", "3s")]).await;
    shop.simulator.says("wang", json!({ "text": "在吗" })).await;
    shop.simulator.advance("49h").await;
    let refusals = |report: &Value| -> u64 {
        report["sends_refused"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum()
    };
    eventually("the late reply is refused", async || {
        (0 < refusals(&shop.simulator.report().await)).then_some(())
    })
    .await;
    // Somebody else is answered meanwhile, and whoever writes again.
    shop.simulator.says("li", json!({ "text": "在吗" })).await;
    assert_eq!(shop.simulator.answers("li", 1).await, [FALLBACK]);
    assert_eq!(refusals(&shop.simulator.report().await), 1);
    assert_eq!(shop.simulator.replies("wang").await, Vec::<String>::new());
    shop.simulator.says("wang", json!({ "text": "还在吗" })).await;
    assert_eq!(shop.simulator.answers("wang", 1).await, [FALLBACK]);
    shop.close().await;
}

#[tokio::test]
async fn whatever_goes_wrong_between_kefu_and_wecom_the_reply_is_seen_once() {
    let shop = open(&[]).await;
    let faults = [
        json!({ "api": "kf/send_msg", "kind": "cut", "times": 1 }),
        json!({ "api": "kf/send_msg", "kind": "cut", "applied": false, "times": 1 }),
        json!({ "api": "kf/send_msg", "kind": "status", "status": 502, "applied": true, "times": 2 }),
        json!({ "api": "kf/send_msg", "kind": "invalid_json", "times": 1 }),
        json!({ "api": "kf/send_msg", "kind": "error", "code": -1, "times": 1 }),
        json!({ "api": "kf/send_msg", "kind": "revoke_token", "times": 1 }),
        json!({ "api": "kf/service_state/get", "kind": "error", "code": -1, "times": 1 }),
        json!({ "api": "kf/sync_msg", "kind": "revoke_token", "times": 1 }),
        json!({ "api": "kf/sync_msg", "kind": "repeat_page", "times": 1 }),
        json!({ "api": "kf/sync_msg", "kind": "status", "status": 500, "times": 1 }),
        json!({ "api": "kf/sync_msg", "kind": "cut", "times": 1 }),
        json!({ "api": "callback", "kind": "duplicate", "times": 1 }),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let customer = format!("customer{number}");
        shop.simulator.fault(fault.clone()).await;
        shop.simulator.says(&customer, json!({ "text": "在吗" })).await;
        shop.simulator.answers(&customer, 1).await;
    }
    // All of them are settled: nothing is left to be said again.
    shop.handled("answered", faults.len() as f64).await;
    for (number, fault) in faults.iter().enumerate() {
        let replies = shop.simulator.replies(&format!("customer{number}")).await;
        assert_eq!(replies, [FALLBACK], "{fault}");
    }
    assert_eq!(shop.simulator.report().await["sends"], faults.len() as u64);
    shop.close().await;
}
