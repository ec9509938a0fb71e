use std::time::{Duration, Instant};

use kefu_wecom::envelope::EnvelopeError;
use kefu_wecom::fields::ParseError;
use kefu_wecom::{CallbackKey, Envelope};

#[track_caller]
fn check(body: &str, encrypt: &str, to_user_name: Option<&str>, agent_id: Option<&str>) {
    let expected = Envelope {
        encrypt: encrypt.to_owned(),
        to_user_name: to_user_name.map(str::to_owned),
        agent_id: agent_id.map(str::to_owned),
    };
    assert_eq!(Envelope::parse(body.as_bytes()), Ok(expected));
}

/// A refusal takes no longer, built for speed; other tests share the machine, so the fastest of a few counts.
const REFUSED_WITHIN: Duration = Duration::from_millis(if cfg!(debug_assertions) { 50 } else { 5 });

#[track_caller]
fn refused(body: &str, error: impl Into<EnvelopeError>) {
    let error = Err(error.into());
    let times = (0..5).map(|_| {
        let began = Instant::now();
        assert_eq!(Envelope::parse(body.as_bytes()), error);
        began.elapsed()
    });
    let fastest = times.min().unwrap();
    assert!(fastest < REFUSED_WITHIN, "a refusal must be quick: {fastest:?}");
}

#[test]
fn reads_every_spelling() {
    check(
        "<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt>ab+/=</Encrypt></xml>",
        "ab+/=",
        Some("ww1"),
        None,
    );
    check(
        "<xml><AgentID/><Encrypt> <![CDATA[ab]]>\n</Encrypt><ToUserName/></xml>",
        "ab",
        None,
        None,
    );
    check(
        "\u{feff}<?xml version=\"1.0\"?>\n<xml>\\n<AgentID>2</AgentID><Encrypt>ab</Encrypt></xml>\n",
        "ab",
        None,
        Some("2"),
    );
    check(
        r#"{"ToUserName":"ww1","Encrypt":"ab","AgentID":218}"#,
        "ab",
        Some("ww1"),
        Some("218"),
    );
    check(
        r#" {"tousername":"ww1","encrypt":"ab","agentid":"218"}"#,
        "ab",
        Some("ww1"),
        Some("218"),
    );
    check(r#"{"encrypt":"ab"}"#, "ab", None, None);
}

#[test]
fn refuses_what_two_readers_could_read_differently() {
    refused(
        "<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>",
        EnvelopeError::Repeated("Encrypt"),
    );
    refused(
        r#"{"Encrypt":"a","encrypt":"b"}"#,
        EnvelopeError::Repeated("Encrypt"),
    );
    refused(r#"{"encrypt":["a","b"]}"#, EnvelopeError::Repeated("Encrypt"));
    refused(
        "<xml><AgentID/><AgentID/><Encrypt>b</Encrypt></xml>",
        EnvelopeError::Repeated("AgentID"),
    );
    refused(
        "<xml><Encrypt>a</Encrypt></xml><xml/>",
        ParseError::TrailingContent,
    );
    refused("<xml><Encrypt>a</Encrypt></xml>x", ParseError::TrailingContent);
}

#[test]
fn refuses_what_is_no_envelope() {
    refused("", ParseError::Empty);
    refused(" \n", ParseError::Empty);
    refused("encrypt=1", ParseError::UnknownFormat);
    refused(
        "<xml><ToUserName>ww1</ToUserName></xml>",
        EnvelopeError::MissingEncrypt,
    );
    refused(
        "<xml><a><Encrypt>a</Encrypt></a></xml>",
        EnvelopeError::MissingEncrypt,
    );
    refused("<xml><Encrypt/></xml>", EnvelopeError::MissingEncrypt);
    refused("{}", EnvelopeError::MissingEncrypt);
    refused(r#"{"encrypt":{"a":1}}"#, EnvelopeError::MissingEncrypt);
    refused(
        r#"{"encrypt":"a"; "agentid":1}"#,
        ParseError::MalformedJson { line: 1, column: 15 },
    );
    refused(
        r#"{"encrypt":"a"} x"#,
        ParseError::MalformedJson { line: 1, column: 17 },
    );
    refused("<xml><Encrypt>a</Encrypt>", ParseError::MalformedXml { byte: 25 });
    for malformed in [
        "<",
        "<xml",
        "<xml><a></b></xml>",
        "<xml><![CDATA[",
        "</xml>",
        "<xml>&</xml>",
        "<xml>&a</xml>",
    ] {
        assert!(Envelope::parse(malformed.as_bytes()).is_err(), "{malformed}");
    }
    assert_eq!(
        Envelope::parse(b"<xml>\xff</xml>"),
        Err(ParseError::NotUtf8.into())
    );
}

#[test]
fn s47_refuses_declared_entities_without_expanding_any() {
    let laughs = format!(
        "<!DOCTYPE x [<!ENTITY a \"ha\">{}]><xml><Encrypt>&z;</Encrypt></xml>",
        "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">".repeat(10)
    );
    refused(&laughs, ParseError::Doctype);
    refused(
        "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/hostname\">]><xml><Encrypt>&f;</Encrypt></xml>",
        ParseError::Doctype,
    );
    refused("<xml><!DOCTYPE x><Encrypt>a</Encrypt></xml>", ParseError::Doctype);
    refused("<xml><Encrypt>&f;</Encrypt></xml>", ParseError::ForeignEntity);
    check(
        "<xml><Encrypt>&lt;&amp;&#20320;&#x4f60;</Encrypt></xml>",
        "<&你你",
        None,
        None,
    );
}

#[test]
fn s47_refuses_depth_count_and_size() {
    refused(&"<a>".repeat(100_000), ParseError::TooDeep);
    refused(
        &format!("<xml>{}", "<a/>".repeat(100_000)),
        ParseError::TooManyFields,
    );
    refused(&"{\"a\":".repeat(100_000), ParseError::TooDeep);
    refused(&format!("{{\"a\":{}", "[".repeat(100_000)), ParseError::TooDeep);
    refused(
        &format!("{{\"a\":[{}1]}}", "1,".repeat(100_000)),
        ParseError::TooManyFields,
    );
    // Each element of the array would carry the name: 600 MB out of 80 KB.
    let name = "n".repeat(60_000);
    refused(
        &format!("{{\"{name}\":[{}1]}}", "1,".repeat(9_990)),
        ParseError::NameTooLong,
    );
    refused(&format!("<{name}/>"), ParseError::NameTooLong);
    refused(
        &format!("<xml>{}</xml>", " ".repeat(1024 * 1024)),
        ParseError::TooLarge,
    );
    assert!(
        Envelope::parse(
            format!(
                "<xml><Encrypt>a</Encrypt>{}</xml>",
                "<a>".repeat(31) + &"</a>".repeat(31)
            )
            .as_bytes()
        )
        .is_ok()
    );
}

#[test]
fn reads_what_sealing_writes() {
    let key = CallbackKey::new(&"t".into(), &"4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws".into()).unwrap();
    let sealed = key.seal_signed(b"hello", "ww1", [3; 16], "1700000000", "n+1");
    check(
        &sealed.request_xml("w]]>w", Some("7")),
        &sealed.encrypt,
        Some("w]]>w"),
        Some("7"),
    );
    check(
        &sealed.request_xml("ww1", None),
        &sealed.encrypt,
        Some("ww1"),
        None,
    );
    check(
        &sealed.request_json("w\"w", Some("7")),
        &sealed.encrypt,
        Some("w\"w"),
        Some("7"),
    );
    let reply = sealed.reply_xml();
    check(&reply, &sealed.encrypt, None, None);
    assert!(reply.contains("<TimeStamp>1700000000</TimeStamp><Nonce><![CDATA[n+1]]></Nonce>"));
    assert!(reply.contains(&format!(
        "<MsgSignature><![CDATA[{}]]></MsgSignature>",
        sealed.msg_signature
    )));
    check(&sealed.reply_json(), &sealed.encrypt, None, None);
    assert_eq!(
        sealed.query(),
        format!(
            "msg_signature={}&timestamp=1700000000&nonce=n%2B1",
            sealed.msg_signature
        )
    );
}
