//! What is not taken, and with which status.

use std::time::Instant;

use kefu_wecom::crypto::Sealed;

use crate::client::{Answer, DEADLINE, get, post, post_with};
use crate::running::{CORP_ID, Running, key, key_of, seal, seal_for, settings, text_message};

fn target(sealed: &Sealed) -> String {
    format!("/callback?{}", sealed.query())
}

/// Signs anything, as somebody would who knows the token but not the AES key.
fn signed(encrypt: &str) -> Sealed {
    Sealed {
        encrypt: encrypt.to_owned(),
        msg_signature: key().signature("1", "n", encrypt),
        timestamp: "1".to_owned(),
        nonce: "n".to_owned(),
    }
}

#[track_caller]
fn check(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.body.len()), (status, 0), "{}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn s46_what_does_not_open_is_403_without_a_word() {
    let running = Running::start().await;
    let good = seal(text_message("hello"));
    let other_key = key_of(
        crate::running::TOKEN,
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    );
    let forged = Sealed {
        msg_signature: "0".repeat(40),
        ..good.clone()
    };
    let upper_case = Sealed {
        msg_signature: good.msg_signature.to_uppercase(),
        ..good.clone()
    };
    for (sealed, why) in [
        (forged, "wrong signature"),
        // WeCom writes lower case; there is one spelling of a signature.
        (upper_case, "upper-case signature"),
        (signed("no base64!"), "base64"),
        (signed("AAAA"), "length"),
        (signed(&"A".repeat(64)), "padding"),
        (
            other_key.seal_signed(b"<xml/>", CORP_ID, [7; 16], "1", "n"),
            "another AES key",
        ),
        (seal_for("wx0", text_message("hello")), "receive id"),
    ] {
        let answer = running.post(&sealed).await;
        assert_eq!((answer.status, answer.body.len()), (403, 0), "{why}");
    }
    for body in [
        String::new(),
        "hello".to_owned(),
        "<xml></xml>".to_owned(),
        "<xml><Encrypt></Encrypt></xml>".to_owned(),
        "{\"encrypt\":".to_owned(),
        "[]".to_owned(),
        good.request_xml(CORP_ID, None).replace("</xml>", ""),
        good.request_xml(CORP_ID, None)
            .replace("<xml>", "<xml><Encrypt>a</Encrypt>"),
        format!("<!DOCTYPE xml>{}", good.request_xml(CORP_ID, None)),
        "<!DOCTYPE x [<!ENTITY e \"e\">]><xml><Encrypt>&e;</Encrypt></xml>".to_owned(),
    ] {
        check(&running.send(post(&target(&good), &body)).await, 403);
    }
    let echo = format!("/callback?{}", signed(&"A".repeat(64)).echo_query());
    check(&running.send(get(&echo)).await, 403);
    assert_eq!(running.waiting().await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_not_that_of_a_callback_is_400() {
    let running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let body = sealed.request_xml(CORP_ID, None);
    let query = sealed.query();
    for bad in [
        String::new(),
        query.replace("msg_signature=", "signature="),
        query.replace("timestamp=1700000000", "timestamp="),
        query.replace("&nonce=n0nce", ""),
        format!("{query}&nonce=n0nce"),
        query.replace("n0nce", "%ff"),
        format!("{query}&more={}", "x".repeat(9 * 1024)),
    ] {
        check(&running.send(post(&format!("/callback?{bad}"), &body)).await, 400);
    }
    // The check of an address needs an echo.
    check(&running.send(get(&format!("/callback?{query}"))).await, 400);
    check(&running.send(post("/callback", &body)).await, 400);
    let more = format!("/callback?x=1&{query}&utm=%ff&y");
    assert_eq!(running.send(post(&more, &body)).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plus_that_became_a_space_is_repaired_only_under_a_good_signature() {
    let running = Running::start().await;
    let sealed = (0..)
        .map(|number| seal(format!("{number}")))
        .find(|sealed| sealed.encrypt.contains('+'))
        .unwrap();
    let target = format!("/callback?{}", sealed.echo_query());
    for space in ["+", "%20"] {
        let answer = running.send(get(&target.replace("%2B", space))).await;
        assert_eq!(answer.status, 200, "{space}");
        assert!(answer.text().parse::<u32>().is_ok());
    }
    let forged = target.replace(&sealed.nonce, "other");
    check(&running.send(get(&forged.replace("%2B", "%20"))).await, 403);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_405_and_say_what_is_allowed() {
    let running = Running::start().await;
    for method in ["PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE"] {
        let request = get("/callback").replace("GET", method);
        let answer = running.send(request).await;
        check(&answer, 405);
        assert_eq!(answer.header("allow"), Some("get, post"), "{method}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s45_a_body_over_the_limit_is_413_at_once_however_it_comes() {
    let running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let target = target(&sealed);
    let head = |headers: &str| format!("POST {target} HTTP/1.1\r\nhost: t\r\n{headers}\r\n");
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(5);
    for request in [
        head("content-length: 65537\r\n"),
        head("content-length: 1073741824\r\n"),
        head("transfer-encoding: chunked\r\n") + &chunk,
    ] {
        let started = Instant::now();
        let mut client = running.client().await;
        client.send(request).await;
        check(&client.answer().await, 413);
        assert!(started.elapsed() < DEADLINE / 10);
        client.closed().await;
    }
    // To the byte.
    let body = sealed.request_xml(CORP_ID, None);
    for (padding, status) in [(65_536 - body.len(), 200), (65_537 - body.len(), 413)] {
        let padded = format!("{body}{}", " ".repeat(padding));
        assert_eq!(running.send(post(&target, &padded)).await.status, status);
        let chunked = format!("{:x}\r\n{padded}\r\n0\r\n\r\n", padded.len());
        let request = head("transfer-encoding: chunked\r\n") + &chunked;
        assert_eq!(running.send(request).await.status, status);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s45_an_encoded_body_is_415() {
    let running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let body = sealed.request_xml(CORP_ID, None);
    for (headers, status) in [
        ("content-encoding: gzip\r\n", 415),
        ("content-encoding: identity\r\ncontent-encoding: br\r\n", 415),
        ("content-encoding: identity, gzip\r\n", 415),
        ("content-encoding: Identity\r\n", 200),
    ] {
        let answer = running.send(post_with(&target(&sealed), headers, &body)).await;
        assert_eq!(answer.status, status, "{headers}");
    }
    // A whole gzip member, and blocks of zeros behind it without end: nobody unpacks any of it.
    let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xec, 0xc1, 1, 1, 0, 0].repeat(1024);
    let answer = running
        .send(post_with(&target(&sealed), "content-encoding: gzip\r\n", bomb))
        .await;
    check(&answer, 415);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_off_is_nothing() {
    let running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let request = post(&target(&sealed), sealed.request_xml(CORP_ID, None));
    let mut client = running.client().await;
    client.send(&request[..request.len() - 1]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
        .await
        .unwrap();
    client.closed().await;
    assert_eq!(running.waiting().await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_could_be_read_in_two_ways_is_400() {
    let running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let body = sealed.request_xml(CORP_ID, None);
    for headers in ["transfer-encoding: chunked\r\n", "content-length: 1\r\n"] {
        let answer = running.send(post_with(&target(&sealed), headers, &body)).await;
        assert_eq!(answer.status, 400, "{headers}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_url_or_header_is_refused() {
    let running = Running::start().await;
    let long = "x".repeat(200_000);
    for request in [
        get(&format!("/callback?{long}")),
        get(&format!("/{long}")),
        get("/callback").replace("host: t", &format!("host: t\r\nx: {long}")),
    ] {
        let answer = running.send(request).await;
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_it_is_503_so_that_wecom_calls_again() {
    let mut running = Running::start().await;
    running.stop_queue().await;
    check(&running.post(&seal(text_message("hello"))).await, 503);
    // The check of an address needs no queue.
    let echo = running
        .send(get(&format!("/callback?{}", seal("17").echo_query())))
        .await;
    assert_eq!((echo.status, echo.text()), (200, "17"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_second_request_on_a_connection() {
    let running = Running::start().await;
    let nonsense = seal("x");
    let chunked = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
    };
    for request in [
        get("/health/live"),
        get("/callback"),
        get("/nothing"),
        // These leave a body behind that never ends.
        chunked("/nothing"),
        chunked("/callback/nobody"),
        chunked("/callback"),
        chunked("/").replace("POST", "GET"),
        String::from_utf8(post(&target(&nonsense), "no envelope")).unwrap(),
    ] {
        let mut client = running.client().await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!(answer.header("connection"), Some("close"), "{request}");
        client.closed().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wecom_keeps_its_connection() {
    let running = Running::with(settings()).await;
    let mut client = running.client().await;
    for number in 0..3 {
        let sealed = seal(text_message(&number.to_string()));
        client
            .send(post(&target(&sealed), sealed.request_xml(CORP_ID, None)))
            .await;
        assert_eq!(client.answer().await.status, 200);
    }
    running.stop().await;
}
