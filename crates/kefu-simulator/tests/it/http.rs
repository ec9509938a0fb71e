//! The API over HTTP: what the wire looks like, and what faults do to it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::running::{ACCOUNT, Running, text_message};

#[tokio::test]
async fn an_error_body_looks_like_a_real_one_and_the_status_stays_200() {
    let simulator = Running::start().await;
    let answer = simulator
        .call_with("kf/send_msg", "invented", "{}".to_owned())
        .await;
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["errcode"], 40_014);
    let message = body["errmsg"].as_str().unwrap();
    assert!(message.starts_with("invalid access_token, hint: ["), "{message}");
    assert!(
        message.contains("], from ip: 127.0.0.1, more info at "),
        "{message}"
    );
    assert!(message.ends_with("/devtool/query?e=40014"), "{message}");
}

#[tokio::test]
async fn gettoken_checks_corp_secret_and_frequency() {
    let simulator = Running::with(|settings| settings.gettoken_per_minute = 4).await;
    let ask = async |query: &str| {
        let url = format!("{}/cgi-bin/gettoken?{query}", simulator.url);
        let body: Value = simulator
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        body["errcode"].as_i64().unwrap()
    };
    let corp = simulator.handle.credentials().corp_id;
    assert_eq!(ask("corpid=wwNobody&corpsecret=x").await, 40_013);
    assert_eq!(ask(&format!("corpid={corp}&corpsecret=wrong")).await, 40_001);
    assert_eq!(ask(&format!("corpid={corp}")).await, 41_004);
    let first = simulator.get_token().await;
    assert_eq!(
        (&first["errcode"], &first["expires_in"]),
        (&json!(0), &json!(7_200))
    );
    let second = simulator.get_token().await;
    assert_eq!(second["access_token"], first["access_token"]);
    assert_eq!(simulator.get_token().await["errcode"], 45_009);
}

#[tokio::test]
async fn an_access_token_ends_with_its_life() {
    let simulator = Running::start().await;
    let token = simulator.token().await;
    let state = json!({ "open_kfid": ACCOUNT, "external_userid": "wm1" }).to_string();
    simulator.write("wm1", "hi").await;
    let code = async |token: &str| {
        let answer = simulator
            .call_with("kf/service_state/get", token, state.clone())
            .await;
        answer.json::<Value>().await.unwrap()["errcode"].as_i64().unwrap()
    };
    assert_eq!(code(&token).await, 0);
    assert_eq!(code("").await, 41_001);
    simulator.control("clock", json!({ "advance": "2h" })).await;
    assert_eq!(code(&token).await, 42_001);
    let renewed = simulator.token().await;
    assert_ne!(renewed, token);
    assert_eq!(code(&renewed).await, 0);
}

#[tokio::test]
async fn json_that_is_none_is_called_so() {
    let simulator = Running::start().await;
    let token = simulator.token().await;
    let code = async |api: &str, body: &str| {
        let answer = simulator.call_with(api, &token, body.to_owned()).await;
        let body: Value = answer.json().await.unwrap();
        (
            body["errcode"].as_i64().unwrap(),
            body["errmsg"].as_str().unwrap().to_owned(),
        )
    };
    let (refused, message) = code("kf/send_msg", "{\"touser\":").await;
    assert_eq!(refused, 40_058);
    assert!(message.contains("Warning: wrong json format."), "{message}");
    let (refused, message) = code("kf/sync_msg", "{\"limit\":\"1000\"}").await;
    assert_eq!(refused, 40_058);
    assert!(!message.contains("wrong json format"), "{message}");
    assert_eq!(code("kf/nothing", "{}").await.0, 40_066);
}

#[tokio::test]
async fn a_customer_writes_is_read_and_is_answered() {
    let simulator = Running::start().await;
    let msgid = simulator.write("wm1", "hi").await;
    let page = simulator
        .call("kf/sync_msg", json!({ "open_kfid": ACCOUNT }))
        .await;
    assert_eq!((&page["errcode"], &page["has_more"]), (&json!(0), &json!(0)));
    let message = &page["msg_list"][0];
    assert_eq!(message["msgid"], json!(msgid));
    assert_eq!(
        (&message["origin"], &message["msgtype"]),
        (&json!(3), &json!("text"))
    );
    assert_eq!(message["text"]["content"], "hi");
    let sent = simulator.send("wm1", "answer-1", "hello").await;
    assert_eq!(
        (&sent["errcode"], &sent["msgid"]),
        (&json!(0), &json!("answer-1"))
    );
    assert_eq!(
        simulator.send("wm1", "answer-1", "hello").await["errcode"],
        95_033
    );
    let chat = simulator.handle.chat(None, "wm1", 0).unwrap();
    let lines: Vec<&str> = chat.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["hi", "hello"]);
}

#[tokio::test]
async fn the_window_closes_when_the_clock_is_moved() {
    let simulator = Running::start().await;
    simulator.write("wm1", "hi").await;
    simulator.control("clock", json!({ "advance": "47h" })).await;
    assert_eq!(simulator.send("wm1", "a", "x").await["errcode"], 0);
    simulator.control("clock", json!({ "advance": "1h" })).await;
    assert_eq!(simulator.send("wm1", "b", "x").await["errcode"], 95_002);
}

#[tokio::test]
async fn a_welcome_code_is_gone_after_20_seconds() {
    let simulator = Running::start().await;
    let enter = async |customer: &str| {
        let answer = simulator
            .control(&format!("customers/{customer}/enter_session"), json!({}))
            .await;
        answer.json::<Value>().await.unwrap()["welcome_code"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let welcome = |code: &str| json!({ "code": code, "msgtype": "text", "text": { "content": "welcome" } });
    let (first, second) = (enter("wm1").await, enter("wm2").await);
    assert_eq!(
        simulator.call("kf/send_msg_on_event", welcome(&first)).await["errcode"],
        0
    );
    simulator.control("clock", json!({ "advance": "20s" })).await;
    assert_eq!(
        simulator.call("kf/send_msg_on_event", welcome(&second)).await["errcode"],
        40_029
    );
}

#[tokio::test]
async fn accept_then_cut_leaves_the_message_visible_and_its_msgid_used() {
    let simulator = Running::start().await;
    simulator.write("wm1", "question #kf-t-1").await;
    let token = simulator.token().await;
    simulator
        .fault(json!({ "api": "kf/send_msg", "kind": "cut", "times": 1 }))
        .await;
    let message = text_message("wm1", Some("a"), "answer #kf-t-1");
    simulator
        .try_call("kf/send_msg", &token, message.to_string())
        .await
        .unwrap_err();
    assert_eq!(simulator.handle.report().answered, 1);
    let repeat = simulator.send("wm1", "a", "answer #kf-t-1").await;
    assert_eq!(repeat["errcode"], 95_033);
    assert_eq!(simulator.handle.report().duplicated, 0);
}

#[tokio::test]
async fn a_cut_before_the_effect_leaves_nothing() {
    let simulator = Running::start().await;
    simulator.write("wm1", "hi").await;
    let token = simulator.token().await;
    let fault = json!({ "api": "kf/send_msg", "kind": "cut", "applied": false, "times": 1 });
    simulator.fault(fault).await;
    let message = text_message("wm1", Some("a"), "x").to_string();
    simulator
        .try_call("kf/send_msg", &token, message)
        .await
        .unwrap_err();
    assert_eq!(simulator.send("wm1", "a", "x").await["errcode"], 0);
}

#[tokio::test]
async fn faults_change_status_body_code_and_time() {
    let simulator = Running::start().await;
    simulator.write("wm1", "hi").await;
    let token = simulator.token().await;
    let send = async |msgid: &str| {
        let message = text_message("wm1", Some(msgid), "x").to_string();
        simulator.call_with("kf/send_msg", &token, message).await
    };
    simulator
        .fault(json!({ "api": "kf/send_msg", "kind": "status", "status": 502, "times": 1 }))
        .await;
    assert_eq!(send("a").await.status(), 502);
    simulator
        .fault(json!({ "api": "kf/send_msg", "kind": "invalid_json", "times": 1 }))
        .await;
    assert!(send("b").await.json::<Value>().await.is_err());
    simulator
        .fault(json!({ "api": "kf/send_msg", "kind": "error", "code": -1, "times": 1 }))
        .await;
    assert_eq!(send("c").await.json::<Value>().await.unwrap()["errcode"], -1);
    simulator
        .fault(json!({ "api": "kf/send_msg", "kind": "revoke_token", "times": 1 }))
        .await;
    assert_eq!(send("d").await.json::<Value>().await.unwrap()["errcode"], 40_014);
    // The refused status and codes had no effect, the unreadable answer had.
    let chat = simulator.handle.chat(None, "wm1", 0).unwrap();
    assert_eq!(chat.lines.iter().filter(|line| line.text == "x").count(), 1);
    simulator
        .fault(json!({ "api": "gettoken", "kind": "delay", "delay": "200ms", "times": 1 }))
        .await;
    let started = std::time::Instant::now();
    simulator.token().await;
    assert!(Duration::from_millis(200) <= started.elapsed());
}

#[tokio::test]
async fn an_undelivered_message_is_reported_through_the_stream() {
    let simulator = Running::start().await;
    simulator.write("wm1", "hi").await;
    let fault = json!({ "api": "kf/send_msg", "kind": "undelivered", "fail_type": 10, "times": 1 });
    simulator.fault(fault).await;
    assert_eq!(simulator.send("wm1", "a", "x").await["errcode"], 0);
    let page = simulator.call("kf/sync_msg", json!({})).await;
    let event = &page["msg_list"][1]["event"];
    assert_eq!(event["event_type"], "msg_send_fail");
    assert_eq!(
        (&event["fail_msgid"], &event["fail_type"]),
        (&json!("a"), &json!(10))
    );
}

#[tokio::test]
async fn directories_are_listed() {
    let simulator = Running::start().await;
    let accounts = simulator
        .call("kf/account/list", json!({ "offset": 1, "limit": 100 }))
        .await;
    assert_eq!(accounts["account_list"].as_array().unwrap().len(), 1);
    assert_eq!(
        simulator.call("kf/account/list", json!({ "limit": 101 })).await["errcode"],
        40_058
    );
    let token = simulator.token().await;
    let url = format!(
        "{}/cgi-bin/kf/servicer/list?access_token={token}&open_kfid={ACCOUNT}",
        simulator.url
    );
    let servicers: Value = simulator
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        servicers["servicer_list"][0],
        json!({ "userid": "AgentLi", "status": 0, "stop_type": 0 })
    );
    simulator.write("wm1", "hi").await;
    let ids = json!({ "external_userid_list": ["wm1", "wm2"] });
    let customers = simulator.call("kf/customer/batchget", ids).await;
    assert_eq!(customers["customer_list"][0]["external_userid"], "wm1");
    assert_eq!(customers["invalid_external_userid"], json!(["wm2"]));
}

#[tokio::test]
async fn media_goes_up_and_comes_down() {
    let simulator = Running::start().await;
    let token = simulator.token().await;
    let bytes = b"\x89PNG and some more".to_vec();
    let part = reqwest::multipart::Part::bytes(bytes.clone())
        .file_name("a.png")
        .mime_str("image/png")
        .unwrap();
    let form = reqwest::multipart::Form::new().part("media", part);
    let url = format!(
        "{}/cgi-bin/media/upload?access_token={token}&type=image",
        simulator.url
    );
    let stored: Value = simulator
        .client
        .post(url)
        .multipart(form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(stored["errcode"], 0, "{stored}");
    assert!(stored["created_at"].is_string());
    let id = stored["media_id"].as_str().unwrap();
    let get = async |id: &str| {
        let url = format!(
            "{}/cgi-bin/media/get?access_token={token}&media_id={id}",
            simulator.url
        );
        simulator.client.get(url).send().await.unwrap()
    };
    let file = get(id).await;
    assert_eq!(file.headers()["content-type"], "image/png");
    assert!(
        file.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .contains("a.png")
    );
    assert_eq!(file.bytes().await.unwrap(), bytes);
    assert_eq!(
        get("gone").await.json::<Value>().await.unwrap()["errcode"],
        40_007
    );
}
