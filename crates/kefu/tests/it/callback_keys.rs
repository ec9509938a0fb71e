//! `kefu callback`: whose token and key, and the query as people copy it.

use std::fs;

use serde_json::json;
use tokio::process::Command;

use crate::official::{
    ECHO, OPENING, POST_NONCE, POST_PLAINTEXT, POST_SIGNATURE, POST_TIMESTAMP, RECEIVE_ID, post_body,
};
use crate::stage::{Call, Ended, kefu};

const OTHER_TOKEN: &str = "OtherToken";
const OTHER_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

fn query() -> String {
    format!("msg_signature={POST_SIGNATURE}&timestamp={POST_TIMESTAMP}&nonce={POST_NONCE}")
}

/// The samples' corp under this name in the settings.
fn with_app(call: Call, name: &str, token: &str, key: &str) -> Call {
    let variable = |field: &str| format!("KEFU_APPS__{}__{field}", name.to_uppercase());
    call.set(&variable("CORP_ID"), RECEIVE_ID[1])
        .set(&variable("TOKEN"), token)
        .set(&variable("ENCODING_AES_KEY"), key)
}

fn with_default(call: Call) -> Call {
    with_app(call, "default", OPENING[1], OPENING[3])
}

#[track_caller]
fn check(ended: &Ended, plaintext: &str) {
    ended.check_code(0);
    assert_eq!(ended.text(), plaintext);
}

#[track_caller]
fn check_refused(ended: &Ended, expected: &str) {
    ended.check_code(2);
    assert_eq!((ended.text().as_str(), ended.stderr.len()), ("", 1), "{ended:?}");
    assert!(
        ended.stderr[0].starts_with(&format!("kefu: {expected}")),
        "{ended:?}"
    );
}

#[tokio::test]
async fn secrets_on_the_command_line_work_and_are_warned_of() {
    let open = kefu(&[&["callback", "open", "--query", &query()], &OPENING[..]].concat());
    let opened = open.input(post_body()).end().await;
    check(&opened, POST_PLAINTEXT);
    assert_eq!(opened.stderr.len(), 1, "{opened:?}");
    assert!(opened.stderr[0].contains("can be read by others"), "{opened:?}");
    let seal = kefu(&[&["callback", "seal"], &OPENING[..], &RECEIVE_ID[..]].concat());
    let sealed = seal.input("x").end().await;
    sealed.check_code(0);
    // The query stays the first line.
    assert!(sealed.stderr[0].starts_with("msg_signature="), "{sealed:?}");
    assert!(sealed.stderr[1].contains("can be read by others"), "{sealed:?}");
}

#[tokio::test]
async fn token_and_key_can_stand_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("token"), format!("{}\n", OPENING[1])).unwrap();
    fs::write(path("key"), format!("{}\r\n", OPENING[3])).unwrap();
    fs::write(path("short"), "short").unwrap();
    let open = |token: &str, key: &str| {
        let files = [token, key].map(path);
        let options = ["--token-file", &files[0], "--encoding-aes-key-file", &files[1]];
        kefu(&[&["callback", "open", "--query", &query()], &options[..]].concat())
            .input(post_body())
            .end()
    };
    let opened = open("token", "key").await;
    check(&opened, POST_PLAINTEXT);
    assert_eq!(opened.stderr, Vec::<String>::new());
    let gone = open("gone", "key").await;
    check_refused(&gone, &format!("--token-file: cannot read {}: ", path("gone")));
    check_refused(
        &open("token", "short").await,
        "--encoding-aes-key-file: must be 43 characters, got 5",
    );
    let half = kefu(&["callback", "open", "--token-file", &path("token")])
        .end()
        .await;
    check_refused(&half, "--encoding-aes-key-file: is missing");
    let half = kefu(&["callback", "seal", "--encoding-aes-key", OPENING[3]])
        .end()
        .await;
    check_refused(&half, "--token-file: is missing");
}

#[tokio::test]
async fn an_app_of_the_settings_gives_token_key_and_receive_ids() {
    let folder = tempfile::tempdir().unwrap();
    let call = |more: &[&str]| {
        let open = kefu(&[&["callback", "open", "--query", &query()], more].concat());
        let sales = with_app(open, "sales", OPENING[1], OPENING[3]);
        with_app(sales, "default", OTHER_TOKEN, OTHER_KEY)
            // Nobody who checks a callback needs the secret of the app.
            .set(
                "KEFU_APPS__SALES__SECRET_FILE",
                folder.path().join("gone").display().to_string(),
            )
            .input(post_body())
            .end()
    };
    let opened = call(&["--app", "sales"]).await;
    check(&opened, POST_PLAINTEXT);
    assert_eq!(opened.stderr, Vec::<String>::new());
    let other = call(&[]).await;
    other.check_code(1);
    assert!(other.stderr[0].contains("signature does not match"), "{other:?}");
    check_refused(
        &call(&["--app", "shop"]).await,
        "--app: there is none called \"shop\" in the settings; known are default, sales",
    );
    call(&["--app", "sales", "--token", "t"]).await.check_code(2);
    check_refused(&kefu(&["callback", "open"]).end().await, "--app: no app is set");

    // Meant for another corp, which the samples' own key does not excuse.
    let foreign = with_default(kefu(&["callback", "open", "--query", &query()]))
        .set("KEFU_APPS__DEFAULT__CORP_ID", "ww0123456789abcdef")
        .input(post_body())
        .end()
        .await;
    foreign.check_code(1);
    assert!(foreign.stderr[0].contains("receive id"), "{foreign:?}");
    let bad = with_default(kefu(&["callback", "open"])).set("KEFU_APPS__DEFAULT__TOKEN", "no token!");
    check_refused(&bad.end().await, "apps.default.token: ");
}

#[tokio::test]
async fn the_previous_key_is_tried_and_named() {
    let rotated = |more: &[&str]| {
        let open = kefu(&[&["callback", "open"], more].concat());
        with_app(open, "default", OTHER_TOKEN, OTHER_KEY)
            .set("KEFU_APPS__DEFAULT__PREVIOUS__TOKEN", OPENING[1])
            .set("KEFU_APPS__DEFAULT__PREVIOUS__ENCODING_AES_KEY", OPENING[3])
    };
    let signed = query();
    let opened = rotated(&["--query", &signed]).input(post_body()).end().await;
    check(&opened, POST_PLAINTEXT);
    assert_eq!(opened.stderr.len(), 1, "{opened:?}");
    assert!(opened.stderr[0].contains("apps.default.previous"), "{opened:?}");
    let json = rotated(&["--query", &signed, "--json"])
        .input(post_body())
        .end()
        .await
        .json();
    let expected = json!({
        "plaintext": POST_PLAINTEXT, "receive_id": RECEIVE_ID[1], "signed": true, "key": "previous", "app": "default",
    });
    assert_eq!(json, expected);
    let current = with_default(kefu(&["callback", "open", "--json"]))
        .input(post_body())
        .end()
        .await;
    assert_eq!(
        (&current.json()["key"], &current.json()["signed"]),
        (&json!("current"), &json!(false))
    );
    let wrong = rotated(&["--query", "msg_signature=0&timestamp=1&nonce=2"])
        .input(post_body())
        .end()
        .await;
    wrong.check_code(1);
    assert!(wrong.stderr[0].contains("signature does not match"), "{wrong:?}");
}

#[tokio::test]
async fn a_query_may_be_pasted_with_all_around_it_and_an_echo_needs_no_input() {
    for pasted in [
        format!("https://kefu.example.com/callback?{}", query()),
        format!(
            r#"10.0.0.1 - - [20/Nov/2026:09:00:08 +0800] "POST /callback?{} HTTP/1.1" 403 0"#,
            query()
        ),
    ] {
        let open = with_default(kefu(&["callback", "open", "--query", &pasted]));
        check(&open.input(post_body()).end().await, POST_PLAINTEXT);
    }
    let echostr = ECHO.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let signature =
        "msg_signature=5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3&timestamp=1409659589&nonce=263014780";
    for echostr in [echostr.as_str(), ECHO] {
        let url = format!("https://kefu.example.com/callback?{signature}&echostr={echostr}");
        let opened = with_default(kefu(&["callback", "open", "--query", &url]))
            .end()
            .await;
        check(&opened, "1616140317555161061");
        assert_eq!(opened.stderr, Vec::<String>::new());
    }
    let none = with_default(kefu(&[
        "callback",
        "open",
        "--query",
        "https://kefu.example.com/callback",
    ]))
    .end()
    .await;
    check_refused(&none, "--query: query field msg_signature is missing or empty");
    let both = [
        "callback",
        "open",
        "--query",
        "a",
        "--msg-signature",
        "b",
        "--timestamp",
        "1",
        "--nonce",
        "2",
    ];
    with_default(kefu(&both)).end().await.check_code(2);
}

#[tokio::test]
async fn a_sealed_callback_can_be_sent_by_curl() {
    let plaintext = "<xml><Content>it's 5 > 3 & $HOME</Content></xml>";
    let sealed = with_default(kefu(&["callback", "seal", "--form", "curl"]))
        .set("KEFU_INGRESS__LISTEN", "0.0.0.0:4321")
        .input(plaintext)
        .end()
        .await;
    sealed.check_code(0);
    assert_eq!(sealed.stderr, Vec::<String>::new());
    // What a shell makes of it, with something else in the place of curl.
    let script = format!(
        "curl() {{ for word; do printf '%s\\n' \"$word\"; done; }}; {}",
        sealed.text()
    );
    let said = Command::new("sh").args(["-c", &script]).output().await.unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let words: Vec<&str> = said.lines().collect();
    assert_eq!(words[0], "-sS");
    assert!(
        words[1].starts_with("http://127.0.0.1:4321/callback?msg_signature="),
        "{said}"
    );
    assert_eq!(words[4], "--data-binary");
    let opened = with_default(kefu(&["callback", "open", "--query", words[1]]))
        .input(words[5])
        .end()
        .await;
    check(&opened, plaintext);
}

#[tokio::test]
async fn the_address_of_a_curl_command_is_that_of_the_app_unless_given() {
    let named = with_app(
        kefu(&["callback", "seal", "--form", "curl", "--app", "sales"]),
        "sales",
        OPENING[1],
        OPENING[3],
    );
    assert!(
        named
            .input("x")
            .end()
            .await
            .text()
            .contains("'http://127.0.0.1:3001/callback/sales?")
    );
    let elsewhere = [
        "callback",
        "seal",
        "--form",
        "curl",
        "--url",
        "https://kefu.example.com/callback",
    ];
    let elsewhere = with_default(kefu(&elsewhere)).input("x").end().await.text();
    assert!(
        elsewhere.contains("'https://kefu.example.com/callback?msg_"),
        "{elsewhere}"
    );
    check_refused(
        &with_default(kefu(&["callback", "seal", "--url", "http://h/"]))
            .end()
            .await,
        "--url: goes with",
    );
}

#[tokio::test]
async fn what_was_sealed_as_json_opens_again() {
    let plaintext = "<xml>客服</xml>";
    let json = with_default(kefu(&["callback", "seal", "--json"]))
        .input(plaintext)
        .end()
        .await
        .json();
    let (query, body) = (json["query"].as_str().unwrap(), json["body"].as_str().unwrap());
    let opened = with_default(kefu(&["callback", "open", "--query", query]))
        .input(body)
        .end()
        .await;
    check(&opened, plaintext);
    assert_eq!(json["command"], json!(null));
}
