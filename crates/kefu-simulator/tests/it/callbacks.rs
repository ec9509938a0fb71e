//! Callbacks as WeCom makes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kefu_simulator::world::Incoming;
use kefu_wecom::CallbackKey;
use kefu_wecom::crypto::{ReceiveIds, Signed};
use secrecy::ExposeSecret;
use serde_json::json;
use sha1::{Digest, Sha1};

use crate::bot::{Receiver, element};
use crate::running::{ACCOUNT, Running};

/// What arrives, opened; the signature is checked here by hand, independent of the shared crate.
async fn receive(simulator: &Running, receiver: &mut Receiver) -> String {
    let (query, body) = receiver.next().await;
    let value = |name: &str| query.iter().find(|(key, _)| key == name).unwrap().1.clone();
    let (signature, timestamp, nonce) = (value("msg_signature"), value("timestamp"), value("nonce"));
    let credentials = simulator.handle.credentials();
    let encrypt = element(&body, "Encrypt");
    let mut parts = [
        credentials.token.expose_secret().to_owned(),
        timestamp.clone(),
        nonce.clone(),
        encrypt.clone(),
    ];
    parts.sort();
    let digest = Sha1::digest(parts.concat());
    let by_hand: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, by_hand);
    assert_eq!(element(&body, "ToUserName"), credentials.corp_id);
    assert_eq!(element(&body, "AgentID"), credentials.agent_id.to_string());
    let key = CallbackKey::new(&credentials.token, &credentials.encoding_aes_key).unwrap();
    let signed = Signed {
        msg_signature: &signature,
        timestamp: &timestamp,
        nonce: &nonce,
    };
    let opened = key
        .open(&signed, &encrypt, ReceiveIds::OneOf(&[credentials.corp_id]))
        .unwrap();
    String::from_utf8(opened.plaintext).unwrap()
}

#[tokio::test]
async fn a_message_makes_a_signed_and_sealed_callback_that_names_the_account() {
    let mut receiver = Receiver::answering(|_| 200);
    let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
    simulator.write("wm1", "secret words").await;
    let plaintext = receive(&simulator, &mut receiver).await;
    assert_eq!(element(&plaintext, "Event"), "kf_msg_or_event");
    assert_eq!(element(&plaintext, "OpenKfId"), ACCOUNT);
    assert!(!plaintext.contains("secret words"));
    let token = element(&plaintext, "Token");
    let page = simulator
        .call("kf/sync_msg", json!({ "token": token, "open_kfid": ACCOUNT }))
        .await;
    assert_eq!(page["msg_list"][0]["text"]["content"], "secret words");
}

#[tokio::test]
async fn any_event_of_the_app_can_be_injected() {
    let mut receiver = Receiver::answering(|_| 200);
    let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
    let xml = "<xml><Event><![CDATA[subscribe]]></Event></xml>";
    let url = format!("{}/simulator/app-event", simulator.url);
    let answer = simulator.client.post(url).body(xml).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(receive(&simulator, &mut receiver).await, xml);
}

#[tokio::test]
async fn every_status_but_200_is_tried_three_more_times() {
    for status in [500, 503, 403, 204, 302] {
        let mut receiver = Receiver::answering(move |_| status);
        let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
        simulator.write("wm1", "hi").await;
        let first = receiver.next().await;
        for _ in 0..3 {
            assert_eq!(receiver.next().await, first, "all tries carry the same bytes");
        }
        let report = receiver
            .settled(&simulator, |report| report.callbacks_given_up == 1)
            .await;
        assert_eq!((report.callback_attempts, report.callback_retries), (4, 3));
        assert_eq!(report.callbacks, 0);
    }
}

#[tokio::test]
async fn a_retry_that_is_answered_ends_the_tries() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let receiver = Receiver::answering(move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) < 2 {
            500
        } else {
            200
        }
    });
    let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
    simulator.write("wm1", "hi").await;
    let report = receiver.settled(&simulator, |report| report.callbacks == 1).await;
    assert_eq!(
        (
            report.callback_attempts,
            report.callback_retries,
            report.callbacks_given_up
        ),
        (3, 2, 0)
    );
    assert!(report.callback_p99_ms.is_some());
}

#[tokio::test]
async fn silence_is_a_failure_after_the_deadline() {
    let receiver = Receiver::silent();
    let simulator = Running::with(|settings| {
        settings.callback_url = Some(receiver.url());
        settings.callback_timeout = Duration::from_millis(50);
    })
    .await;
    simulator.write("wm1", "hi").await;
    let report = receiver
        .settled(&simulator, |report| report.callbacks_given_up == 1)
        .await;
    assert_eq!(report.callback_attempts, 4);
}

#[tokio::test]
async fn callbacks_can_be_dropped_and_duplicated() {
    let receiver = Receiver::answering(|_| 200);
    let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
    simulator
        .fault(json!({ "api": "callback", "kind": "drop", "times": 1 }))
        .await;
    simulator.write("wm1", "one").await;
    receiver
        .settled(&simulator, |report| report.callbacks_dropped == 1)
        .await;
    simulator
        .fault(json!({ "api": "callback", "kind": "duplicate", "times": 1 }))
        .await;
    simulator.write("wm1", "two").await;
    let report = receiver.settled(&simulator, |report| report.callbacks == 2).await;
    assert_eq!(report.callback_attempts, 2);
}

#[tokio::test]
async fn every_message_has_a_callback_of_its_own() {
    let receiver = Receiver::answering(|_| 200);
    let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
    for number in 0..300 {
        let text = Incoming::text(format!("message {number}"));
        simulator.handle.customer_sends(None, "wm1", &text).await.unwrap();
    }
    let report = receiver
        .settled(&simulator, |report| report.callbacks == 300)
        .await;
    assert_eq!(report.customer_messages, 300);
}

#[tokio::test]
async fn an_address_is_proved_by_its_echo() {
    let simulator = Running::start().await;
    let credentials = simulator.handle.credentials();
    let key = CallbackKey::new(&credentials.token, &credentials.encoding_aes_key).unwrap();
    let honest = Receiver::echoing(move |encrypt| {
        let opened = key.open_unsigned(encrypt, ReceiveIds::Any).unwrap();
        String::from_utf8(opened.plaintext).unwrap()
    });
    simulator.handle.prove_callback_url(&honest.url()).await.unwrap();
    let prove = async |url: String| {
        let answer = simulator
            .control("callback-url", json!({ "url": url, "prove": true }))
            .await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(prove(honest.url()).await.0, 204);
    let quoting = Receiver::echoing(|encrypt| format!("\"{encrypt}\""));
    let (status, why) = prove(quoting.url()).await;
    assert!(status == 400 && why.contains("something else"), "{status} {why}");
    let refusing = Receiver::answering(|_| 403);
    let (status, why) = prove(refusing.url()).await;
    assert!(status == 400 && why.contains("403"), "{status} {why}");
    assert_eq!(simulator.handle.callback_url().unwrap().as_str(), honest.url());
}

/// What the page is told about the callback address.
async fn about(simulator: &Running) -> serde_json::Value {
    let url = format!("{}/simulator", simulator.url);
    simulator
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// A port that was free a moment ago: nobody answers there.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/callback?key=secret", listener.local_addr().unwrap())
}

#[tokio::test]
async fn who_is_not_called_back_is_told_so_with_address_and_reason() {
    let url = nobody();
    let simulator = Running::with(|settings| settings.callback_url = Some(url.clone())).await;
    assert_eq!(about(&simulator).await["callback_trouble"], json!(null));
    simulator.write("wm1", "anybody there?").await;
    let trouble = tried(&simulator, "nobody").await;
    assert_eq!(trouble["url"], url.split('?').next().unwrap());
    assert_eq!(
        (&trouble["reason"], &trouble["status"]),
        (&json!("connection refused"), &json!(null))
    );
    assert!(0 < trouble["failures"].as_u64().unwrap());
}

/// Waits for a trouble of this code.
async fn tried(simulator: &Running, code: &str) -> serde_json::Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let trouble = about(simulator).await["callback_trouble"].clone();
        if trouble["code"] == code {
            return trouble;
        }
        assert!(tokio::time::Instant::now() < deadline, "{trouble}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn each_kind_of_trouble_has_its_word() {
    let refusing = Receiver::answering(|_| 403);
    let simulator = Running::with(|settings| {
        settings.callback_url = Some(refusing.url());
        settings.callback_timeout = Duration::from_millis(200);
    })
    .await;
    simulator.write("wm1", "hi").await;
    assert_eq!(tried(&simulator, "status").await["status"], 403);
    let silent = Receiver::silent();
    simulator.handle.set_callback_url(&silent.url()).unwrap();
    assert_eq!(
        about(&simulator).await["callback_trouble"],
        json!(null),
        "somebody else is called"
    );
    simulator.write("wm1", "hi").await;
    tried(&simulator, "late").await;
    // Accepts, reads nothing, and hangs up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = format!("http://{}/callback", listener.local_addr().unwrap());
    simulator.handle.set_callback_url(&rude).unwrap();
    simulator.write("wm1", "hi").await;
    let hanging_up = async {
        loop {
            drop(listener.accept().await.unwrap());
        }
    };
    tokio::select! {
        () = hanging_up => (),
        _ = tried(&simulator, "broken") => (),
    }
}

#[tokio::test]
async fn a_callback_that_is_taken_ends_the_trouble() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let receiver = Receiver::answering(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => 500,
        _ => 200,
    });
    let simulator = Running::with(|settings| {
        settings.callback_url = Some(receiver.url());
        settings.callback_retry_spacing = Duration::from_millis(300);
    })
    .await;
    simulator.write("wm1", "hi").await;
    assert_eq!(tried(&simulator, "status").await["status"], 500);
    receiver.settled(&simulator, |report| report.callbacks == 1).await;
    assert_eq!(simulator.handle.callback_trouble(), None);
}

#[tokio::test]
async fn somebody_is_there_as_soon_as_anything_is_answered() {
    let simulator = Running::with(|settings| settings.callback_url = Some(nobody())).await;
    let answered = async |within: u64| {
        let within = Duration::from_millis(within);
        simulator.handle.callback_is_answered(within).await
    };
    assert!(!answered(300).await);
    assert_eq!(simulator.handle.callback_trouble().unwrap().code, "nobody");
    let refusing = Receiver::answering(|_| 403);
    simulator.handle.set_callback_url(&refusing.url()).unwrap();
    assert!(answered(20_000).await);
    assert_eq!(simulator.handle.callback_trouble().unwrap().status, Some(403));
}
