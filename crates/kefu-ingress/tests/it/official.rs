//! The samples that Tencent publishes with doc 91144.

use kefu_jobs::{JobKind, StoreEvent};
use kefu_process::clock;
use kefu_queue::Lane;
use serde_json::json;

use crate::client::{get, post};
use crate::running::{CORP_ID, Running};

const ECHO_QUERY: &str = "msg_signature=5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3&timestamp=1409659589&nonce=263014780&echostr=P9nAzCzyDtyTWESHep1vC5X9xho%2FqYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp%2B4RPcs8TgAE7OaBO%2BFZXvnaqQ%3D%3D";

const POST_QUERY: &str =
    "msg_signature=477715d11cdb4164915debcba66cb864d751f3e6&timestamp=1409659813&nonce=1372623149";

const POST_BODY: &str = "<xml>\t<ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName><Encrypt><![CDATA[RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==]]></Encrypt>\n\t<AgentID><![CDATA[218]]></AgentID>\n\t</xml>";

const POST_PLAINTEXT: &str = "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<FromUserName><![CDATA[mycreate]]></FromUserName>\n<CreateTime>1409659813</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[hello]]></Content>\n<MsgId>4561255354251345929</MsgId>\n<AgentID>218</AgentID>\n</xml>";

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_an_address_is_answered_with_the_bare_echo() {
    let running = Running::start().await;
    let answer = running.send(get(&format!("/callback?{ECHO_QUERY}"))).await;
    assert_eq!((answer.status, answer.text()), (200, "1616140317555161061"));
    assert_eq!(answer.header("content-length"), Some("19"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_is_queued_with_its_hash_and_its_bytes() {
    let running = Running::start().await;
    let before_ms = clock::now_ms();
    let answer = running
        .send(post(&format!("/callback?{POST_QUERY}"), POST_BODY))
        .await;
    assert_eq!((answer.status, answer.text()), (200, "success"));
    let job = running.take(Lane::Medium).await;
    assert_eq!(
        (job.kind.as_str(), job.app.as_str()),
        (StoreEvent::KIND, "default")
    );
    assert_eq!((job.attempt, job.replay), (1, 0));
    assert_eq!(
        job.dedup.as_deref(),
        Some("0ab70bcc8f5fc4985f83099cca7a77f18651b442")
    );
    assert!((before_ms..=clock::now_ms()).contains(&job.received_at.0));
    let trace = job.trace.unwrap();
    assert!(trace.starts_with("00-") && trace.len() == 55, "{trace}");
    let expected = json!({
        "kind": "text",
        "corp": CORP_ID,
        "from_user": "mycreate",
        "created_at_ms": 1_409_659_813_000_i64,
        "plaintext": POST_PLAINTEXT,
    });
    assert_eq!(job.payload, expected);
    assert_eq!(running.waiting().await, 0);
    running.stop().await;
}
