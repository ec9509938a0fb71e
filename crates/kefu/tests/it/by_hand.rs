//! `kefu callback`: one callback opened or sealed by a person.

use crate::official::{
    ECHO, OPENING, POST, POST_NONCE, POST_PLAINTEXT, POST_SIGNATURE, POST_TIMESTAMP, RECEIVE_ID, post_body,
};
use crate::stage::{Call, Ended, kefu};

const SIGNED: [&str; 6] = [
    "--msg-signature",
    POST_SIGNATURE,
    "--timestamp",
    POST_TIMESTAMP,
    "--nonce",
    POST_NONCE,
];

fn open(more: &[&[&str]]) -> Call {
    with_settings(&[&["callback", "open"], &more.concat()[..]].concat())
}

fn seal(more: &[&str]) -> Call {
    with_settings(&[&["callback", "seal"], more].concat())
}

/// Token, key and corp of the samples stand in the settings.
fn with_settings(arguments: &[&str]) -> Call {
    kefu(arguments)
        .set("KEFU_APPS__DEFAULT__CORP_ID", RECEIVE_ID[1])
        .set("KEFU_APPS__DEFAULT__TOKEN", OPENING[1])
        .set("KEFU_APPS__DEFAULT__ENCODING_AES_KEY", OPENING[3])
}

/// Exactly these bytes, and nothing to read beside them.
#[track_caller]
fn check(ended: &Ended, plaintext: &str) {
    ended.check_code(0);
    assert_eq!(ended.text(), plaintext);
}

#[track_caller]
fn check_no(ended: &Ended, reason: &str) {
    ended.check_code(1);
    assert_eq!((ended.text().as_str(), ended.stderr.len()), ("", 1), "{ended:?}");
    assert!(
        ended.stderr[0].starts_with("kefu: ") && ended.stderr[0].contains(reason),
        "{ended:?}"
    );
}

/// The value of one field of a query.
fn field(query: &str, name: &str) -> String {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value
        .unwrap()
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=")
}

#[tokio::test]
async fn the_official_sample_opens_as_envelope_as_ciphertext_and_with_white_space_around() {
    for input in [
        post_body(),
        POST.to_owned(),
        format!(" \r\n\t{}\n\n", post_body()),
        format!("\n{POST}\r\n"),
        format!("\u{feff}{POST}"),
        format!("\u{feff}\r\n{}\r\n", post_body()),
        format!("\r\n\u{feff}{POST}\u{feff}"),
    ] {
        let ended = open(&[&SIGNED, &RECEIVE_ID]).input(input).end().await;
        check(&ended, POST_PLAINTEXT);
        assert_eq!(ended.stderr, Vec::<String>::new());
    }
}

#[tokio::test]
async fn without_a_signature_it_opens_with_a_warning() {
    let ended = open(&[]).input(post_body()).end().await;
    check(&ended, POST_PLAINTEXT);
    assert_eq!(ended.stderr.len(), 1);
    assert!(ended.stderr[0].contains("without a signature"), "{ended:?}");
    for input in [ECHO.to_owned(), format!("\u{feff}{ECHO}\r\n")] {
        check(&open(&[]).input(input).end().await, "1616140317555161061");
    }
}

#[tokio::test]
async fn what_does_not_open_is_a_no_with_its_reason() {
    let wrong = [
        "--msg-signature",
        "477715d11cdb4164915debcba66cb864d751f3e7",
        "--timestamp",
        POST_TIMESTAMP,
        "--nonce",
        POST_NONCE,
    ];
    check_no(&open(&[&wrong]).input(post_body()).end().await, "signature");
    check_no(
        &open(&[&SIGNED, &["--receive-id", "ww0"]])
            .input(post_body())
            .end()
            .await,
        "receive id",
    );
    check_no(
        &open(&[&["--receive-id", "ww0"]]).input(ECHO).end().await,
        "receive id",
    );
    check_no(&open(&[]).input("").end().await, "does not open");
    check_no(&open(&[]).input("<xml><a/></xml>").end().await, "no envelope");
    check_no(&open(&[]).input(vec![0xff, 0xfe]).end().await, "not UTF-8");
}

#[tokio::test]
async fn what_was_sealed_opens_again_through_pipes() {
    let plaintext = "<xml>客户 & 服务\n</xml>\n";
    for form in ["xml", "json"] {
        let sealed = seal(&["--form", form]).input(plaintext).end().await;
        sealed.check_code(0);
        let query = &sealed.stderr[0];
        let values = ["msg_signature", "timestamp", "nonce"].map(|name| field(query, name));
        let [signature, timestamp, nonce] = &values;
        let signed = [
            "--msg-signature",
            signature,
            "--timestamp",
            timestamp,
            "--nonce",
            nonce,
        ];
        let opened = open(&[&signed, &RECEIVE_ID]).input(sealed.stdout).end().await;
        check(&opened, plaintext);
    }
}

#[tokio::test]
async fn the_echo_form_is_a_whole_query() {
    let sealed = seal(&["--form", "echo", "--timestamp", "1700000000", "--nonce", "n"])
        .input("12345")
        .end()
        .await;
    sealed.check_code(0);
    assert_eq!(sealed.stderr, Vec::<String>::new());
    let query = sealed.text().trim_end().to_owned();
    let signature = field(&query, "msg_signature");
    let signed = [
        "--msg-signature",
        &signature,
        "--timestamp",
        "1700000000",
        "--nonce",
        "n",
    ];
    check(
        &open(&[&signed, &RECEIVE_ID])
            .input(field(&query, "echostr"))
            .end()
            .await,
        "12345",
    );
}

#[tokio::test]
async fn a_key_or_token_that_is_none_is_bad_usage() {
    for (token, key, expected) in [
        (
            "t",
            "short",
            "kefu: --encoding-aes-key: must be 43 characters, got 5",
        ),
        ("no token!", OPENING[3], "kefu: --token: "),
    ] {
        let options = ["--token", token, "--encoding-aes-key", key];
        for action in ["open", "seal"] {
            let mut arguments = [&["callback", action], &options[..]].concat();
            if action == "seal" {
                arguments.extend(RECEIVE_ID);
            }
            let ended = kefu(&arguments).input("x").end().await;
            ended.check_code(2);
            assert_eq!(ended.stderr.len(), 1, "{ended:?}");
            assert!(ended.stderr[0].starts_with(expected), "{ended:?}");
        }
    }
}
