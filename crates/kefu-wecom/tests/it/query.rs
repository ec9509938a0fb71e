use kefu_wecom::query::{EchoError, QueryError, open_echo};
use kefu_wecom::{CallbackKey, Keyring, OpenError, ReceiveIds, SignedQuery};

fn key() -> CallbackKey {
    CallbackKey::new(
        &"QDG6eK".into(),
        &"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C".into(),
    )
    .unwrap()
}

const SIGNED: &str =
    "msg_signature=5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3&timestamp=1409659589&nonce=263014780";
const ECHO: &str = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==";

fn echo(echostr: &str) -> Result<String, EchoError> {
    let query = SignedQuery::parse(&format!("{SIGNED}&echostr={echostr}")).unwrap();
    let accepted = ["wx5823bf96d3bd56c7".to_owned()];
    let opened = open_echo(&Keyring::new(key()), &query, ReceiveIds::OneOf(&accepted))?;
    Ok(String::from_utf8(opened.plaintext).unwrap())
}

#[test]
fn an_echo_opens_however_a_proxy_wrote_its_plus_signs() {
    let encoded = ECHO.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let forms = [
        encoded,
        ECHO.to_owned(),
        ECHO.replace('+', "%20"),
        ECHO.replace('+', " "),
    ];
    for form in forms {
        assert_eq!(echo(&form).as_deref(), Ok("1616140317555161061"), "{form}");
    }
}

#[test]
fn a_repair_needs_a_good_signature() {
    // Another text in which spaces stand for plus signs: repairing it must not make it good.
    let forged = ECHO.replacen('P', "Q", 1).replace('+', "%20");
    assert_eq!(echo(&forged), Err(OpenError::Signature.into()));
    // Decoded once, not twice.
    assert_eq!(
        echo(&ECHO.replace('+', "%252B")),
        Err(OpenError::Signature.into())
    );
    let bare = SignedQuery::parse(SIGNED).unwrap();
    assert_eq!(
        open_echo(&Keyring::new(key()), &bare, ReceiveIds::Any),
        Err(QueryError::Missing("echostr").into())
    );
}

#[test]
fn bad_queries_are_named() {
    for (query, expected) in [
        ("", QueryError::Missing("msg_signature")),
        ("msg_signature=a&nonce=b", QueryError::Missing("timestamp")),
        ("msg_signature=a&timestamp=1&nonce=", QueryError::Missing("nonce")),
        (
            "msg_signature=a&timestamp=1&nonce=2&msg_signature=a",
            QueryError::Repeated("msg_signature"),
        ),
        (
            "msg_signature=a&timestamp=1&nonce=2&n%6Fnce=2",
            QueryError::Repeated("nonce"),
        ),
        (
            "msg_signature=a&timestamp=1&nonce=%ff",
            QueryError::NotUtf8("nonce"),
        ),
    ] {
        assert_eq!(SignedQuery::parse(query), Err(expected), "{query}");
    }
    let long = format!("{SIGNED}&x={}", "y".repeat(9000));
    assert_eq!(
        SignedQuery::parse(&long),
        Err(QueryError::TooLong { bytes: long.len() })
    );
}

#[test]
fn other_fields_and_their_order_do_not_matter() {
    let query = SignedQuery::parse("a=1&nonce=x%20y&&timestamp=t&=&msg_signature=s&a=2").unwrap();
    assert_eq!(
        (
            query.nonce.as_str(),
            query.timestamp.as_str(),
            query.msg_signature.as_str()
        ),
        ("x y", "t", "s")
    );
    assert_eq!(query.echostr, None);
}
