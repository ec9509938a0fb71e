use kefu_wecom::SyncMessage;
use kefu_wecom::message::{
    ChangeType, FailType, InvalidMessage, KfEvent, MessageBody, Origin, SendFailed, Text,
};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

fn parse(json: &serde_json::Value) -> SyncMessage {
    SyncMessage::parse(&to_raw_value(json).unwrap()).unwrap()
}

fn body(msgtype: &str, inner: serde_json::Value) -> MessageBody {
    parse(&json!({"msgid": "m", "msgtype": msgtype, msgtype: inner})).body
}

fn event(inner: serde_json::Value) -> KfEvent {
    match body("event", inner) {
        MessageBody::Event(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

#[test]
fn a_customers_text_has_all_its_fields() {
    let message = parse(&json!({
        "msgid": "MXb", "open_kfid": "wk1", "external_userid": "wm1", "send_time": 1_673_582_683, "origin": 3,
        "msgtype": "text", "text": {"content": "你好", "menu_id": "101"},
    }));
    assert_eq!(
        message,
        SyncMessage {
            msgid: "MXb".into(),
            open_kfid: Some("wk1".into()),
            external_userid: Some("wm1".into()),
            send_time: 1_673_582_683,
            origin: Origin::Customer,
            servicer_userid: None,
            body: MessageBody::Text(Text {
                content: "你好".into(),
                menu_id: Some("101".into())
            }),
        }
    );
}

#[test]
fn an_event_takes_account_and_customer_from_inside() {
    let message = parse(&json!({
        "msgid": "m", "send_time": 1, "origin": 4, "msgtype": "event",
        "event": {"event_type": "enter_session", "open_kfid": "wk1", "external_userid": "wm1",
                  "scene": "s", "scene_param": "a%2Fb", "welcome_code": "W",
                  "wechat_channels": {"shop_nickname": "N"}},
    }));
    assert_eq!(
        (message.open_kfid.as_deref(), message.external_userid.as_deref()),
        (Some("wk1"), Some("wm1"))
    );
    let MessageBody::Event(KfEvent::EnterSession(enter)) = message.body else {
        panic!("no enter_session")
    };
    assert_eq!(
        (enter.welcome_code.as_deref(), enter.channel_nickname.as_deref()),
        (Some("W"), Some("N"))
    );
    assert_eq!(enter.scene_param, "a%2Fb");
}

#[test]
fn every_documented_type_is_known_and_every_other_kept() {
    for msgtype in [
        "text",
        "image",
        "voice",
        "video",
        "file",
        "location",
        "link",
        "business_card",
        "miniprogram",
        "msgmenu",
        "channels_shop_product",
        "channels_shop_order",
        "merged_msg",
        "channels",
        "meeting",
        "schedule",
        "note",
    ] {
        let body = body(msgtype, json!({}));
        assert_eq!(body.msgtype(), msgtype);
        assert!(!matches!(body, MessageBody::Unknown { .. }), "{msgtype}");
    }
    for event_type in [
        "enter_session",
        "msg_send_fail",
        "servicer_status_change",
        "session_status_change",
        "user_recall_msg",
        "servicer_recall_msg",
        "reject_customer_msg_switch_change",
    ] {
        let event = event(json!({"event_type": event_type}));
        assert_eq!(event.event_type(), event_type);
        assert!(!matches!(event, KfEvent::Unknown { .. }), "{event_type}");
    }
    assert_eq!(
        body("new", json!({"x": 1})),
        MessageBody::Unknown {
            msgtype: "new".into()
        }
    );
    assert_eq!(
        event(json!({"event_type": "new"})),
        KfEvent::Unknown {
            event_type: "new".into()
        }
    );
    assert_eq!(
        body("text", json!("no object")),
        MessageBody::Unknown {
            msgtype: "text".into()
        }
    );
}

#[test]
fn events_carry_their_numbers_as_words() {
    assert_eq!(
        event(json!({"event_type": "msg_send_fail", "fail_msgid": "r1", "fail_type": 4})),
        KfEvent::SendFailed(SendFailed {
            fail_msgid: "r1".into(),
            fail_type: FailType::WindowClosed
        })
    );
    let KfEvent::SessionChanged(changed) = event(json!({
        "event_type": "session_status_change", "change_type": 3, "old_servicer_userid": "a",
        "new_servicer_userid": "", "msg_code": "C",
    })) else {
        panic!("no session_status_change")
    };
    assert_eq!(changed.change_type, ChangeType::Ended);
    assert_eq!(
        (
            changed.old_servicer_userid.as_deref(),
            changed.new_servicer_userid
        ),
        (Some("a"), None)
    );
}

#[test]
fn odd_types_cost_the_field_and_not_the_message() {
    let message = parse(&json!({
        "msgid": "m", "send_time": "1700000000", "origin": "3", "msgtype": "text", "open_kfid": 5,
        "text": {"content": 42, "menu_id": null}, "external_userid": ["x"],
    }));
    assert_eq!(
        (message.send_time, message.origin),
        (1_700_000_000, Origin::Customer)
    );
    assert_eq!(
        (message.open_kfid.as_deref(), message.external_userid),
        (Some("5"), None)
    );
    assert_eq!(
        message.body,
        MessageBody::Text(Text {
            content: "42".into(),
            menu_id: None
        })
    );
}

#[test]
fn what_cannot_be_a_message_is_refused() {
    let parse =
        |json: &str| SyncMessage::parse(&RawValue::from_string(json.to_owned()).unwrap()).unwrap_err();
    assert_eq!(parse("1"), InvalidMessage::NotAnObject);
    assert_eq!(parse("{}"), InvalidMessage::NoMsgid);
    assert_eq!(parse(r#"{"msgid":""}"#), InvalidMessage::NoMsgid);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(parse(&deep), InvalidMessage::NotAnObject);
}
