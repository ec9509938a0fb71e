use std::fs;
use std::path::Path;

use kefu_wecom::fields::{Field, ParseError};
use kefu_wecom::{CallbackEvent, Envelope, SyncMessage};

fn parse(plaintext: &str) -> CallbackEvent {
    CallbackEvent::parse(plaintext.as_bytes()).unwrap()
}

#[track_caller]
fn check_kind(plaintext: &str, expected: &str) {
    assert_eq!(parse(plaintext).kind(), expected);
}

#[test]
fn a_wake_up_names_its_account_and_token() {
    let event = parse(
        "<xml><ToUserName><![CDATA[ww1]]></ToUserName><CreateTime>1700000000</CreateTime>
         <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>
         <Token><![CDATA[ENCx]]></Token><OpenKfId><![CDATA[wk1]]></OpenKfId></xml>",
    );
    assert!(event.is_kf_wake_up());
    assert_eq!(event.kind(), "event.kf_msg_or_event");
    assert_eq!(event.to_user_name(), Some("ww1"));
    assert_eq!(event.from_user_name(), None);
    assert_eq!(event.create_time(), Some(1_700_000_000));
    assert_eq!((event.token(), event.open_kfid()), (Some("ENCx"), Some("wk1")));
}

#[test]
fn kinds_are_short_plain_text() {
    check_kind("<xml><MsgType>text</MsgType></xml>", "text");
    check_kind(
        "<xml><MsgType>event</MsgType><Event>CLICK</Event></xml>",
        "event.click",
    );
    check_kind("<xml><MsgType>event</MsgType></xml>", "event");
    check_kind(
        "<xml><MsgType>event</MsgType><Event> <EventType>add_to_chat</EventType></Event></xml>",
        "event.add_to_chat",
    );
    check_kind(
        "<xml><InfoType> <![CDATA[suite_ticket]]></InfoType></xml>",
        "suite.suite_ticket",
    );
    check_kind("<xml><MsgType></MsgType></xml>", "unknown");
    check_kind("<xml/>", "unknown");
    check_kind(
        r#"{"msgtype":"event","event":{"eventtype":"enter_chat"}}"#,
        "event.enter_chat",
    );
    check_kind("<xml><MsgType>a b\"你</MsgType></xml>", "a_b__");
    check_kind(
        &format!("<xml><MsgType>{}</MsgType></xml>", "x".repeat(1000)),
        &"x".repeat(64),
    );
}

#[test]
fn the_whole_tree_is_kept_in_order_with_repeated_siblings() {
    let field = |name: &str, text: &str| Field {
        name: name.into(),
        text: text.into(),
        children: vec![],
    };
    let event = parse(
        "<xml><A><B> x </B><C/><B><![CDATA[ y ]]> </B></A><D>1</D><D>a&amp;b</D><D><![CDATA[<&]]>]]</D></xml>",
    );
    let inner = vec![field("B", "x"), field("C", ""), field("B", " y ")];
    let expected = vec![
        Field {
            name: "A".into(),
            text: String::new(),
            children: inner,
        },
        field("D", "1"),
        field("D", "a&b"),
        field("D", "<&]]"),
    ];
    assert_eq!(event.fields, expected);
    assert_eq!(event.all("D").count(), 3);
}

#[test]
fn json_becomes_the_same_tree() {
    let event = parse(
        r#"{"MsgId":4561255354251345929,"b":true,"n":null,"List":[{"x":"1"},"2",[3]],"MsgType":"text"}"#,
    );
    assert_eq!(event.msg_id(), Some("4561255354251345929"));
    assert_eq!(event.kind(), "text");
    let list: Vec<_> = event
        .all("List")
        .map(|field| (field.text.as_str(), field.children.len()))
        .collect();
    assert_eq!(list, [("", 1), ("2", 0), ("3", 0)]);
    assert_eq!((event.text("b"), event.text("n")), (Some("true"), None));
}

#[test]
fn errors_say_where_and_never_what() {
    let error = CallbackEvent::parse("<xml><Content>秘密</Contentt></xml>".as_bytes()).unwrap_err();
    assert!(matches!(error.0, ParseError::MalformedXml { .. }));
    assert!(!error.to_string().contains("Content") && !error.to_string().contains('秘'));
    let error = CallbackEvent::parse(br#"{ "FromUserName": :secret", "x": 1}"#).unwrap_err();
    assert_eq!(error.0, ParseError::MalformedJson { line: 1, column: 19 });
    assert!(!error.to_string().contains("secret"));
}

/// Runs over a folder of captured bodies as well, for whoever has one: `KEFU_SAMPLES=folder cargo test`.
#[test]
fn every_sample_of_an_own_folder_parses() {
    let Some(folder) = std::env::var_os("KEFU_SAMPLES") else {
        return;
    };
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "KEFU_SAMPLES names an empty folder");
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("xml") => check_callback(&path),
            Some("json") => check_page(&path),
            _ => {}
        }
    }
}

fn check_callback(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let event = CallbackEvent::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!event.fields.is_empty(), "{}", path.display());
    if event.field("Encrypt").is_some() {
        Envelope::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn check_page(path: &Path) {
    #[derive(serde::Deserialize)]
    struct Page {
        msg_list: Vec<Box<serde_json::value::RawValue>>,
    }
    let Ok(page) = serde_json::from_slice::<Page>(&fs::read(path).unwrap()) else {
        return;
    };
    for raw in page.msg_list {
        SyncMessage::parse(&raw).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
