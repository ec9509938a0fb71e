//! What an opened callback becomes in the queue.

use kefu_jobs::{JobKind, StoreEvent, SyncAccount};
use kefu_queue::{Job, Lane};
use serde_json::{Value, json};

use crate::client::{get, post};
use crate::running::{CORP_ID, Running, seal, settings, text_message};

/// Posts the plaintext and returns its job.
async fn queued(running: &Running, lane: Lane, plaintext: impl AsRef<[u8]>) -> Job {
    let answer = running.post(&seal(plaintext)).await;
    assert_eq!((answer.status, answer.text()), (200, "success"));
    running.take(lane).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_is_a_sync_of_its_account_and_never_deduplicated() {
    let running = Running::start().await;
    let plaintext = "<xml><CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType>\
         <Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[ENCtoken]]></Token>\
         <OpenKfId><![CDATA[wkAccount]]></OpenKfId></xml>";
    for _ in 0..2 {
        let job = queued(&running, Lane::High, plaintext).await;
        assert_eq!((job.kind.as_str(), job.dedup), (SyncAccount::KIND, None));
        assert_eq!(
            job.payload,
            json!({ "corp": CORP_ID, "account": "wkAccount", "token": "ENCtoken" })
        );
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_without_an_account_is_one_for_all() {
    let running = Running::start().await;
    let plaintext = "<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event></xml>";
    let job = queued(&running, Lane::High, plaintext).await;
    assert_eq!(job.kind, SyncAccount::KIND);
    assert_eq!(
        job.payload,
        json!({ "corp": CORP_ID, "account": Value::Null, "token": Value::Null })
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_the_envelope_is_read() {
    let running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let encrypt = &sealed.encrypt;
    let bodies = [
        json!({ "tousername": CORP_ID, "encrypt": encrypt, "agentid": "1" }).to_string(),
        json!({ "ToUserName": CORP_ID, "Encrypt": encrypt, "AgentID": 1 }).to_string(),
        json!({ "encrypt": encrypt }).to_string(),
        format!("<xml>\n <Encrypt>\n  <![CDATA[{encrypt}]]>\n </Encrypt>\n</xml>"),
        format!("\u{feff}<?xml version=\"1.0\"?><xml><Encrypt>{encrypt}</Encrypt></xml>"),
    ];
    for body in bodies {
        let request = post(&format!("/callback?{}", sealed.query()), &body);
        assert_eq!(running.send(request).await.status, 200, "{body}");
        assert_eq!(running.take(Lane::Medium).await.payload["kind"], "text");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_the_settings_decides_the_lane() {
    let settings = settings()
        .with("ingress.lanes.brand_new_event", "high")
        .with("ingress.lanes.default", "medium");
    let running = Running::with(settings).await;
    let event = |name| format!("<xml><MsgType>event</MsgType><Event>{name}</Event></xml>");
    for (plaintext, lane, kind) in [
        (event("brand_new_event"), Lane::High, "event.brand_new_event"),
        (event("BRAND_new_event"), Lane::High, "event.brand_new_event"),
        (event("CLICK"), Lane::Medium, "event.click"),
        // Of the same letters: an event in bulk, and a message.
        (event("LOCATION"), Lane::Low, "event.location"),
        (
            "<xml><MsgType>location</MsgType></xml>".to_owned(),
            Lane::Medium,
            "location",
        ),
        (event("change_contact"), Lane::Low, "event.change_contact"),
        (event("nobody_listed_it"), Lane::Medium, "event.nobody_listed_it"),
        (
            "{\"SuiteId\":\"s\",\"InfoType\":\"suite_ticket\"}".to_owned(),
            Lane::Medium,
            "suite.suite_ticket",
        ),
        ("<xml/>".to_owned(), Lane::Medium, "unknown"),
    ] {
        let job = queued(&running, lane, &plaintext).await;
        assert_eq!(
            (job.kind.as_str(), job.lane),
            (StoreEvent::KIND, lane),
            "{plaintext}"
        );
        assert_eq!(job.payload["kind"], kind);
        assert_eq!(job.payload["plaintext"], plaintext);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_is_kept_even_if_it_cannot_be_parsed() {
    let running = Running::start().await;
    for plaintext in ["", "not xml at all", "<xml><a>", "<!DOCTYPE x><xml/>"] {
        let job = queued(&running, Lane::Low, plaintext).await;
        let expected = json!({ "kind": "unparsed", "corp": CORP_ID, "plaintext": plaintext });
        assert_eq!((job.kind.as_str(), job.payload), (StoreEvent::KIND, expected));
        assert_eq!(job.dedup.unwrap().len(), 40);
    }
    let job = queued(&running, Lane::Low, b"\xff\x00<xml>").await;
    let expected = json!({ "kind": "unparsed", "corp": CORP_ID, "plaintext_base64": "/wA8eG1sPg==" });
    assert_eq!(job.payload, expected);
    running.stop().await;
}

/// A control character is six times as long in a job.
#[tokio::test(flavor = "multi_thread")]
async fn the_worst_body_at_the_largest_setting_is_queued() {
    const LARGEST: usize = 128 * 1024;
    let running = Running::with(settings().with("ingress.body_max", LARGEST)).await;
    let worst = "\u{1}".repeat(97_700);
    let wake_up = "<MsgType>event</MsgType><Event>kf_msg_or_event</Event>";
    for (plaintext, lane) in [
        (
            format!("<xml><FromUserName>{worst}</FromUserName></xml>"),
            Lane::Low,
        ),
        (
            format!("<xml><MsgType>text</MsgType><Content>{worst}</Content></xml>"),
            Lane::Medium,
        ),
        (format!("<xml>{wake_up}<Token>{worst}</Token></xml>"), Lane::High),
        (
            format!("<xml>{wake_up}<OpenKfId>{worst}</OpenKfId></xml>"),
            Lane::High,
        ),
        (worst.clone(), Lane::Low),
    ] {
        let body = seal(&plaintext).request_xml(CORP_ID, None).len();
        assert!((LARGEST - 1024..=LARGEST).contains(&body), "{body} bytes");
        let job = queued(&running, lane, &plaintext).await;
        assert!(job.encode().len() < kefu_queue::BODY_BYTES_MAX * 3 / 4);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_goes_back_byte_by_byte_whatever_it_is() {
    let running = Running::start().await;
    for echo in [&b"\xff\xfe\x00 not text"[..], "客服".as_bytes(), b"line\n", b""] {
        let target = format!("/callback?{}", seal(echo).echo_query());
        let answer = running.send(get(&target)).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, echo));
    }
    assert_eq!(running.waiting().await, 0);
    running.stop().await;
}
