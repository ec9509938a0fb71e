//! What is written down about callbacks.

use crate::alone::{is_alone, run_alone};
use crate::client::{get, post};
use crate::running::{AES_KEY, CORP_ID, Running, TOKEN, seal, seal_for, text_message};

const WORDS: &str = "words-of-a-customer";

#[tokio::test(flavor = "multi_thread")]
async fn lines_tell_what_happened_but_no_secret_and_no_words() {
    if is_alone() {
        return exercise().await;
    }
    let lines = run_alone("logs::lines_tell_what_happened_but_no_secret_and_no_words").await;
    for told in [
        "queued callback text as job ",
        "queued callback unparsed as job ",
        "callback for app default does not open: signature does not match",
        "callback for an app that is not in the settings",
        "\"http.path\":\"/callback/nobody-here\"",
        "callback at a path that is not ours: 404; ours are /callback and /callback/<app> (ingress.path)",
        "\"http.path\":\"/wecom%1b\"",
        "request for a path that does not exist: 404",
        "request with a method that is none of a callback's: 405",
        "callback not queued, WeCom will call again: queue is not available",
        "\"trace_id\":\"",
        "\"job.id\":\"",
    ] {
        assert!(lines.contains(told), "{told}\n{lines}");
    }
    // Once for each kind, although it happened several times: strangers must not be able to fill a disk.
    assert_eq!(lines.matches("\"level\":\"WARN\"").count(), 3, "{lines}");
    for secret in [
        TOKEN,
        AES_KEY,
        WORDS,
        "zhangsan",
        "ENCpull",
        "query-of-a-stranger",
    ] {
        assert!(!lines.contains(secret), "{secret}\n{lines}");
    }
}

async fn exercise() {
    let mut running = Running::start().await;
    let sealed = seal(text_message(WORDS));
    assert_eq!(running.post(&sealed).await.status, 200);
    assert_eq!(running.post(&seal(WORDS)).await.status, 200);
    let wake_up = "<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>ENCpull</Token></xml>";
    assert_eq!(running.post(&seal(wake_up)).await.status, 200);
    let echo = format!("/callback?{}", seal(WORDS).echo_query());
    assert_eq!(running.send(get(&echo)).await.status, 200);
    for _ in 0..3 {
        let forged = format!("/callback?{}", seal("x").query());
        let body = sealed.request_xml(CORP_ID, None);
        assert_eq!(running.send(post(&forged, body)).await.status, 403);
        assert_eq!(running.post(&seal_for("wx0", WORDS)).await.status, 403);
        assert_eq!(
            running.send(post("/callback/nobody-here", WORDS)).await.status,
            404
        );
        assert_eq!(running.send(post("/callback", WORDS)).await.status, 400);
        let misdirected = format!("/wecom%1b?{}", sealed.query());
        assert_eq!(running.send(post(&misdirected, WORDS)).await.status, 404);
        assert_eq!(running.send(get("/.env?query-of-a-stranger")).await.status, 404);
        let put = get("/callback").replace("GET", "PUT");
        assert_eq!(running.send(put).await.status, 405);
    }
    running.stop_queue().await;
    assert_eq!(running.post(&seal(text_message(WORDS))).await.status, 503);
    running.stop().await;
}
