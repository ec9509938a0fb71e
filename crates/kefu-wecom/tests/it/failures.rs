use std::time::Duration;

use kefu_wecom::client::SendMessage;
use kefu_wecom::error::RepeatedCodes;
use kefu_wecom::{ApiError, ErrorClass, OutboundBody};
use serde_json::json;

use crate::stub::{self, Reply, SECRET, Stub};

fn message(content: &str) -> SendMessage {
    SendMessage {
        touser: "wm1".into(),
        open_kfid: "wk1".into(),
        msgid: Some("m1".into()),
        body: OutboundBody::text(content),
    }
}

async fn send_to(stub: &Stub) -> ApiError {
    let settings = kefu_wecom::WecomSettings {
        timeout: Duration::from_millis(500),
        ..stub::settings(&stub.base)
    };
    let client = stub::client_of(&settings).unwrap();
    let error = client.send_msg("default", &message("hello")).await.unwrap_err();
    let text = format!("{error} {error:?}");
    for hidden in ["T1", SECRET, "access_token=", "hello"] {
        assert!(!text.contains(hidden), "{text}");
    }
    error
}

/// What one answer to `kf/send_msg` is taken for: its class, and whether the message may be out.
async fn check(answer: fn() -> Reply, class: ErrorClass, ambiguous: bool) {
    let stub = Stub::granting(move |_| answer()).await;
    let error = send_to(&stub).await;
    assert_eq!(
        (error.class(), error.is_ambiguous()),
        (class, ambiguous),
        "{error}"
    );
    assert_eq!(
        stub.calls("kf/send_msg").len(),
        1,
        "a send is never repeated by the client: {error}"
    );
}

#[tokio::test]
async fn an_outcome_nobody_knows_is_ambiguous() {
    use ErrorClass::{Ambiguous, Busy};
    check(|| Reply::Silence, Ambiguous, true).await;
    check(|| Reply::Cut, Ambiguous, true).await;
    check(
        || Reply::Raw("200 OK\r\nContent-Type: text/html", b"<html>".into()),
        Ambiguous,
        true,
    )
    .await;
    check(|| Reply::Json(json!({"errmsg": "ok"})), Ambiguous, true).await;
    check(|| Reply::Raw("502 Bad Gateway", vec![]), Ambiguous, true).await;
    check(
        || Reply::Endless("200 OK\r\nContent-Type: application/json"),
        Ambiguous,
        true,
    )
    .await;
    check(
        || Reply::Json(json!({"errcode": -1, "errmsg": "system error"})),
        Busy,
        true,
    )
    .await;
}

#[tokio::test]
async fn a_refusal_is_what_its_code_says() {
    use ErrorClass::{Configuration, Permanent, Quota, Rate, State};
    check(
        || Reply::Json(json!({"errcode": 95001, "errmsg": null})),
        Quota,
        false,
    )
    .await;
    check(
        || Reply::Json(json!({"errcode": 95018, "errmsg": "token T1 \u{7}"})),
        State,
        false,
    )
    .await;
    check(|| Reply::Json(json!({"errcode": 45009})), Rate, false).await;
    check(|| Reply::Json(json!({"errcode": 60020})), Configuration, false).await;
    check(|| Reply::Json(json!({"errcode": 99999})), Permanent, false).await;
    check(
        || Reply::Json(json!({"errcode": -1, "errmsg": "Warning: wrong json format. "})),
        Permanent,
        false,
    )
    .await;
    check(|| Reply::Raw("429 Too Many Requests", vec![]), Rate, false).await;
    check(|| Reply::Raw("404 Not Found", vec![]), Configuration, false).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stub = Stub::granting(|call| match call.path.as_str() {
        "/cgi-bin/kf/send_msg" => Reply::Raw("302 Found\r\nLocation: /elsewhere", vec![]),
        _ => Reply::Json(json!({"errcode": 0})),
    })
    .await;
    assert_eq!(send_to(&stub).await.class(), ErrorClass::Configuration);
    assert_eq!(stub.calls("elsewhere").len(), 0);
}

#[tokio::test]
async fn what_was_never_sent_is_not_ambiguous() {
    let silent = Stub::start(|_| Reply::Silence).await;
    let error = send_to(&silent).await;
    assert_eq!(
        (error.class(), error.is_ambiguous()),
        (ErrorClass::Network, false)
    );
    assert_eq!(silent.calls("kf/send_msg").len(), 0);

    let client = stub::client_of(&stub::settings("http://127.0.0.1:1")).unwrap();
    let error = client.send_msg("default", &message("hello")).await.unwrap_err();
    assert_eq!(
        (error.class(), error.is_ambiguous()),
        (ErrorClass::Network, false),
        "{error}"
    );

    let error = client.send_msg("other", &message("hello")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert_eq!(
        error.to_string(),
        "kf/send_msg was not called: no app of that name has credentials"
    );
    let error = client
        .send_msg("default", &message(&"x".repeat(2049)))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "kf/send_msg was not called: the text has 2049 bytes, at most 2048 are allowed"
    );
    let nameless = SendMessage {
        msgid: Some(String::new()),
        ..message("hello")
    };
    assert_eq!(
        client.send_msg("default", &nameless).await.unwrap_err().class(),
        ErrorClass::Permanent
    );
}

#[test]
fn a_repeated_msgid_is_recognised() {
    let codes = RepeatedCodes::parse("95099, 95100").unwrap();
    let repeated = |code, message: &str, on_resend| {
        ApiError::refused("kf/send_msg", code, message).is_msgid_repeated(&codes, on_resend)
    };
    assert!(
        repeated(95100, "", false),
        "a listed code counts even on a first call"
    );
    assert!(repeated(95555, "duplicate MSG_ID", true));
    assert!(repeated(40058, "invalid msgid", true));
    assert!(
        !repeated(95555, "duplicate msgid", false),
        "a first call cannot repeat anything"
    );
    assert!(!repeated(95555, "something else", true));
    assert!(
        !repeated(95018, "msgid", true),
        "a code with a meaning of its own keeps it"
    );
    assert!(!repeated(-1, "msgid", true));
    for bad in ["x", "0", "95001;95002"] {
        assert!(RepeatedCodes::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(RepeatedCodes::parse(" , "), Ok(RepeatedCodes::default()));
}
