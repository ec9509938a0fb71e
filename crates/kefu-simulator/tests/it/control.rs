//! The simulator's own routes.

use std::time::Duration;

use kefu_simulator::{SimulatorSettings, start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::running::{ACCOUNT, Running};

#[tokio::test]
async fn a_person_can_write_see_the_answer_and_be_taken_over() {
    let simulator = Running::start().await;
    simulator
        .control("customers/wm1", json!({ "name": "小明" }))
        .await;
    simulator.write("wm1", "hi").await;
    simulator.send("wm1", "a", "hello").await;
    let act = |act: Value| simulator.control("customers/wm1/servicer", act);
    act(json!({ "servicer": "AgentLi", "act": "take" })).await;
    act(json!({ "servicer": "AgentLi", "act": "reply", "text": "I am a person" })).await;
    let chat = simulator
        .look(&format!("/customers/wm1?account={ACCOUNT}&after=0"))
        .await;
    assert_eq!(
        (&chat["nickname"], &chat["state"], &chat["servicer"]),
        (&json!("小明"), &json!(3), &json!("AgentLi"))
    );
    let lines = chat["lines"].as_array().unwrap();
    let shown: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["speaker"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("customer", "hi"),
            ("reply", "hello"),
            ("system", "客服 AgentLi 已接入"),
            ("servicer", "I am a person")
        ]
    );
    assert_eq!(simulator.send("wm1", "b", "x").await["errcode"], 95_018);
    act(json!({ "servicer": "AgentLi", "act": "end" })).await;
    simulator.write("wm1", "again").await;
    assert_eq!(simulator.send("wm1", "b", "x").await["errcode"], 0);
}

#[tokio::test]
async fn other_kinds_of_messages_bring_their_own_files() {
    let simulator = Running::start().await;
    for kind in ["image", "voice", "video", "file"] {
        let answer = simulator
            .control("customers/wm1/messages", json!({ kind: {} }))
            .await;
        assert_eq!(answer.status(), 200, "{kind}");
    }
    let location =
        json!({ "location": { "latitude": 23.1, "longitude": 113.3, "name": "here", "address": "" } });
    simulator.control("customers/wm1/messages", location).await;
    let page = simulator.call("kf/sync_msg", json!({})).await;
    let messages = page["msg_list"].as_array().unwrap();
    assert_eq!(messages.len(), 5);
    let token = simulator.token().await;
    let id = messages[0]["image"]["media_id"].as_str().unwrap();
    let url = format!(
        "{}/cgi-bin/media/get?access_token={token}&media_id={id}",
        simulator.url
    );
    let file = simulator.client.get(url).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/png");
}

#[tokio::test]
async fn the_report_is_json_and_faults_can_be_listed_and_cleared() {
    let simulator = Running::start().await;
    simulator.write("wm1", "question #kf-t-1").await;
    let report = simulator.look("/report").await;
    for key in [
        "customers",
        "messages",
        "answered",
        "lost",
        "duplicated",
        "callback_p99_ms",
        "reply_p99_ms",
    ] {
        assert!(report.get(key).is_some(), "{key}");
    }
    assert_eq!(
        simulator.look("/unanswered").await["unanswered"],
        json!(["#kf-t-1"])
    );
    assert_eq!(simulator.look("").await["accounts"][0], ACCOUNT);
    let faults = json!([
        { "api": "kf/send_msg", "kind": "error", "code": -1, "times": 3 },
        { "api": "model", "kind": "delay", "delay": "2s", "probability": 0.5, "seed": 9 },
    ]);
    simulator.fault(faults).await;
    assert_eq!(
        simulator.look("/faults").await["faults"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let url = format!("{}/simulator/faults", simulator.url);
    simulator.client.delete(url).send().await.unwrap();
    assert_eq!(simulator.look("/faults").await["faults"], json!([]));
}

#[tokio::test]
async fn health_is_answered() {
    let simulator = Running::start().await;
    for path in ["live", "ready"] {
        let url = format!("{}/health/{path}", simulator.url);
        assert_eq!(
            simulator.client.get(url).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_refusal_has_a_word_for_programs_beside_its_sentence() {
    let simulator = Running::start().await;
    simulator.write("wm1", "hi").await;
    let servicer = |name: &str, act: &str| json!({ "servicer": name, "act": act });
    let fault = json!({ "api": "kf/nothing", "kind": "drop" });
    let elsewhere = json!({ "text": "hi", "account": "wkNobody" });
    for (path, body, code, part) in [
        (
            "customers/a%20b/messages",
            json!({ "text": "hi" }),
            "invalid_customer_id",
            "customer id",
        ),
        ("customers/wm1/messages", elsewhere, "unknown_account", "wkNobody"),
        ("customers/wm1/messages", json!({}), "refused", "exactly one"),
        (
            "customers/wmNobody/servicer",
            servicer("AgentLi", "take"),
            "unknown_customer",
            "wmNobody",
        ),
        (
            "customers/wm1/servicer",
            servicer("Nobody", "take"),
            "unknown_servicer",
            "Nobody",
        ),
        (
            "customers/wm1/servicer",
            servicer("AgentLi", "end"),
            "not_with_servicer",
            "",
        ),
        (
            "customers/wm1/recall",
            json!({ "msgid": "none" }),
            "unknown_message",
            "none",
        ),
        ("faults", fault, "refused", "kf/nothing"),
        (
            "clock",
            json!({ "advance": "2years" }),
            "advance_too_long",
            "year",
        ),
        ("clock", json!({ "advance": "soon" }), "body", "body is wrong"),
        ("clock", json!({ "back": "1h" }), "body", "back"),
        (
            "callback-url",
            json!({ "url": "ftp://x" }),
            "callback_url",
            "http",
        ),
    ] {
        let answer = simulator.control(path, body).await;
        let status = if code == "unknown_customer" { 404 } else { 400 };
        assert_eq!(answer.status(), status, "{path}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["code"], code, "{path}: {answer}");
        assert!(
            answer["error"].as_str().unwrap().contains(part),
            "{part}: {answer}"
        );
    }
    let url = format!("{}/simulator/customers/wmNobody", simulator.url);
    assert_eq!(simulator.client.get(url).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn what_may_be_secret_in_the_callback_address_is_not_shown() {
    let simulator = Running::start().await;
    let url = "http://user:hunter2@127.0.0.1:9/callback?key=hunter3";
    simulator.control("callback-url", json!({ "url": url })).await;
    let about = simulator.look("").await;
    assert_eq!(about["callback_url"], "http://127.0.0.1:9/callback");
}

#[tokio::test]
async fn a_screen_tells_a_conversation_that_has_not_begun_from_one_that_is_over() {
    let simulator = Running::start().await;
    let last_message = async || simulator.look("/customers/wm1").await["last_message_ms"].clone();
    simulator
        .control("customers/wm1", json!({ "name": "小明" }))
        .await;
    assert_eq!(last_message().await, json!(null));
    simulator.write("wm1", "hi").await;
    simulator.control("clock", json!({ "advance": "49h" })).await;
    assert!(last_message().await.is_i64());
}

#[tokio::test]
async fn impossible_settings_are_refused_by_name() {
    let refused = async |change: fn(&mut SimulatorSettings)| {
        let mut settings = SimulatorSettings::default();
        change(&mut settings);
        start(settings, CancellationToken::new())
            .await
            .err()
            .unwrap()
            .to_string()
    };
    assert!(
        refused(|settings| settings.accounts.clear())
            .await
            .contains("accounts")
    );
    assert!(
        refused(|settings| settings.page_size = 0)
            .await
            .contains("page_size")
    );
    assert!(
        refused(|settings| settings.token_life = Duration::ZERO)
            .await
            .contains("token_life")
    );
    assert!(
        refused(|settings| settings.callback_url = Some("nowhere".into()))
            .await
            .contains("nowhere")
    );
    let short = refused(|settings| settings.credentials.encoding_aes_key = "short".into()).await;
    assert!(short.contains("encoding_aes_key"), "{short}");
}

#[tokio::test]
async fn a_stop_ends_it_although_clients_keep_their_connections() {
    let simulator = Running::start().await;
    simulator.write("wm1", "hi").await;
    let started = std::time::Instant::now();
    simulator.end().await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
