use kefu_wecom::client::{SendMessage, ServiceState, ServicerId, SyncRequest, Target};
use kefu_wecom::outbound::{Click, Menu, MenuItem, MenuText, View};
use kefu_wecom::{ErrorClass, OutboundBody, SyncMessage};
use serde_json::{Value, json};

use crate::stub::{Reply, Stub};

/// What `kf/send_msg` sends for a body, without the address.
async fn sent(body: OutboundBody) -> Value {
    let stub = Stub::granting(|_| Reply::Json(json!({"errcode": 0, "errmsg": "ok", "msgid": "m1"}))).await;
    let message = SendMessage {
        touser: "wm1".into(),
        open_kfid: "wk1".into(),
        msgid: None,
        body,
    };
    assert_eq!(stub.client().send_msg("default", &message).await.unwrap(), "m1");
    let mut json = stub.calls("kf/send_msg")[0].json();
    let address = json.as_object_mut().unwrap();
    assert_eq!(
        (address.remove("touser"), address.remove("open_kfid")),
        (Some("wm1".into()), Some("wk1".into()))
    );
    assert!(
        !address.contains_key("msgid"),
        "an empty msgid is an error at WeCom"
    );
    json
}

#[tokio::test]
async fn every_type_is_sent_in_wecoms_form() {
    let media_id = || "M".to_owned();
    let cases = [
        (
            OutboundBody::text("你好"),
            json!({"msgtype": "text", "text": {"content": "你好"}}),
        ),
        (
            OutboundBody::Image { media_id: media_id() },
            json!({"msgtype": "image", "image": {"media_id": "M"}}),
        ),
        (
            OutboundBody::Voice { media_id: media_id() },
            json!({"msgtype": "voice", "voice": {"media_id": "M"}}),
        ),
        (
            OutboundBody::Video { media_id: media_id() },
            json!({"msgtype": "video", "video": {"media_id": "M"}}),
        ),
        (
            OutboundBody::File { media_id: media_id() },
            json!({"msgtype": "file", "file": {"media_id": "M"}}),
        ),
        (
            OutboundBody::Link {
                title: "t".into(),
                desc: "d".into(),
                url: "u".into(),
                thumb_media_id: media_id(),
            },
            json!({"msgtype": "link", "link": {"title": "t", "desc": "d", "url": "u", "thumb_media_id": "M"}}),
        ),
        (
            OutboundBody::Miniprogram {
                appid: "a".into(),
                title: "t".into(),
                thumb_media_id: media_id(),
                pagepath: "p".into(),
            },
            json!({"msgtype": "miniprogram",
                   "miniprogram": {"appid": "a", "title": "t", "thumb_media_id": "M", "pagepath": "p"}}),
        ),
        (
            OutboundBody::Location {
                name: "n".into(),
                address: String::new(),
                latitude: 1.5,
                longitude: -2.0,
            },
            json!({"msgtype": "location", "location": {"name": "n", "latitude": 1.5, "longitude": -2.0}}),
        ),
        (
            OutboundBody::BusinessCard { userid: "u".into() },
            json!({"msgtype": "business_card", "business_card": {"userid": "u"}}),
        ),
        (
            OutboundBody::CaLink { link_url: "l".into() },
            json!({"msgtype": "ca_link", "ca_link": {"link_url": "l"}}),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(sent(body).await, expected);
    }
}

#[tokio::test]
async fn a_menu_is_sent_in_wecoms_form() {
    let menu = Menu {
        head_content: "h".into(),
        list: vec![
            MenuItem::Click {
                click: Click {
                    id: "1".into(),
                    content: "yes".into(),
                },
            },
            MenuItem::View {
                view: View {
                    url: "u".into(),
                    content: "c".into(),
                },
            },
            MenuItem::Text {
                text: MenuText {
                    content: "x".into(),
                    no_newline: 1,
                },
            },
        ],
        tail_content: String::new(),
    };
    let expected = json!({"msgtype": "msgmenu", "msgmenu": {"head_content": "h", "list": [
        {"type": "click", "click": {"id": "1", "content": "yes"}},
        {"type": "view", "view": {"url": "u", "content": "c"}},
        {"type": "text", "text": {"content": "x", "no_newline": 1}},
    ]}});
    assert_eq!(sent(OutboundBody::Msgmenu(menu)).await, expected);
}

#[tokio::test]
async fn a_code_is_answered_without_an_address() {
    let stub = Stub::granting(|_| Reply::Json(json!({"errcode": 0, "errmsg": "ok"}))).await;
    let body = OutboundBody::text("welcome");
    let msgid = stub
        .client()
        .send_msg_on_event("default", "CODE", Some("w1"), &body)
        .await
        .unwrap();
    assert_eq!(msgid, "w1");
    assert_eq!(
        stub.calls("kf/send_msg_on_event")[0].json(),
        json!({"code": "CODE", "msgid": "w1", "msgtype": "text", "text": {"content": "welcome"}})
    );
}

#[tokio::test]
async fn a_page_is_pulled_with_what_was_given_and_nothing_else() {
    let stub = Stub::granting(|_| {
        Reply::Json(
            json!({"errcode": 0, "errmsg": "ok", "next_cursor": "c2", "has_more": 1,
            "msg_list": [{"msgid": "m", "msgtype": "text", "text": {"content": "x"}}, {"odd": true}]}),
        )
    })
    .await;
    let client = stub.client();
    let page = client.sync_msg("default", &SyncRequest::default()).await.unwrap();
    assert_eq!(
        (page.next_cursor.as_deref(), page.has_more, page.messages.len()),
        (Some("c2"), true, 2)
    );
    assert!(SyncMessage::parse(&page.messages[0]).is_ok());
    let next = SyncRequest {
        cursor: page.next_cursor,
        token: Some("t".into()),
        limit: Some(10),
        open_kfid: Some("wk1".into()),
        ..SyncRequest::default()
    };
    client.sync_msg("default", &next).await.unwrap();
    let calls = stub.calls("kf/sync_msg");
    assert_eq!(calls[0].json(), json!({"voice_format": 0}));
    assert_eq!(
        calls[1].json(),
        json!({"cursor": "c2", "token": "t", "limit": 10, "voice_format": 0, "open_kfid": "wk1"})
    );
    assert_eq!(calls[1].query, "access_token=T1");
}

#[tokio::test]
async fn forbidden_bytes_in_a_page_do_not_hold_the_stream() {
    let page =
        b"{\"errcode\":0,\"next_cursor\":\"c\",\"has_more\":0,\"msg_list\":[{\"msgid\":\"a\x01\xff\"}]}";
    let stub = Stub::granting(|_| Reply::Raw("200 OK", page.to_vec())).await;
    let page = stub
        .client()
        .sync_msg("default", &SyncRequest::default())
        .await
        .unwrap();
    assert_eq!(SyncMessage::parse(&page.messages[0]).unwrap().msgid, "a \u{fffd}");
}

#[tokio::test]
async fn a_page_has_a_limit_of_its_own() {
    let stub = Stub::granting(|call| match call.path.as_str() {
        // Over the limit of other answers, under that of a page.
        "/cgi-bin/kf/sync_msg" if call.body.len() < 20 => {
            let body = format!(
                "{{\"errcode\":0,\"has_more\":0,{}\"msg_list\":[]}}",
                " ".repeat(2 * 1024 * 1024)
            );
            Reply::Raw("200 OK", body.into_bytes())
        }
        _ => Reply::Endless("200 OK"),
    })
    .await;
    let client = stub.client();
    assert!(
        !client
            .sync_msg("default", &SyncRequest::default())
            .await
            .unwrap()
            .has_more
    );
    let request = SyncRequest {
        limit: Some(1),
        ..SyncRequest::default()
    };
    let error = client.sync_msg("default", &request).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "kf/sync_msg was answered with more than 8388608 bytes"
    );
    let error = client.accounts("default").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "kf/account/list was answered with more than 1048576 bytes"
    );
}

#[tokio::test]
async fn sessions_are_read_and_moved() {
    let stub = Stub::granting(|call| match call.path.as_str() {
        "/cgi-bin/kf/service_state/get" => {
            Reply::Json(json!({"errcode": 0, "service_state": 3, "servicer_userid": "zhang"}))
        }
        _ => Reply::Json(json!({"errcode": 0, "errmsg": "ok", "msg_code": "C"})),
    })
    .await;
    let client = stub.client();
    let now = client.service_state("default", "wk1", "wm1").await.unwrap();
    assert_eq!(
        (now.state, now.servicer_userid.as_deref()),
        (ServiceState::Human, Some("zhang"))
    );
    let target = Target::Servicer { userid: "li".into() };
    assert_eq!(
        client
            .transfer("default", "wk1", "wm1", &target)
            .await
            .unwrap()
            .as_deref(),
        Some("C")
    );
    client
        .transfer("default", "wk1", "wm1", &Target::Pool)
        .await
        .unwrap();
    let calls = stub.calls("kf/service_state/trans");
    assert_eq!(
        calls[0].json(),
        json!({"open_kfid": "wk1", "external_userid": "wm1", "service_state": 3, "servicer_userid": "li"})
    );
    assert_eq!(
        calls[1].json(),
        json!({"open_kfid": "wk1", "external_userid": "wm1", "service_state": 2})
    );
}

#[tokio::test]
async fn accounts_are_listed_to_the_last_page() {
    let stub = Stub::granting(|call| {
        let offset = call.json()["offset"].as_u64().unwrap();
        let count = if offset < 200 { 100 } else { 7 };
        let list: Vec<_> = (0..count)
            .map(|n| json!({"open_kfid": format!("wk{}", offset + n), "name": "n"}))
            .collect();
        Reply::Json(json!({"errcode": 0, "account_list": list}))
    })
    .await;
    let accounts = stub.client().accounts("default").await.unwrap();
    assert_eq!((accounts.len(), accounts[206].open_kfid.as_str()), (207, "wk206"));
    assert_eq!(stub.calls("kf/account/list").len(), 3);
}

#[tokio::test]
async fn servicers_and_customers_are_read() {
    let stub = Stub::granting(|call| match call.path.as_str() {
        "/cgi-bin/kf/servicer/list" => Reply::Json(json!({"errcode": 0, "servicer_list": [
            {"userid": "zhang", "status": 0}, {"userid": "li", "status": 1, "stop_type": 1}, {"department_id": 3}, {},
        ]})),
        _ => Reply::Json(json!({"errcode": 0, "customer_list": [{"external_userid": "wm1", "nickname": "张三",
            "enter_session_context": {"scene": "s"}}], "invalid_external_userid": ["wm2"]})),
    })
    .await;
    let client = stub.client();
    let servicers = client.servicers("default", "wk 1").await.unwrap();
    let seen: Vec<_> = servicers.iter().map(|servicer| servicer.receiving).collect();
    assert_eq!(seen, [Some(true), Some(false), None]);
    assert_eq!(servicers[2].id, ServicerId::Department(3));
    assert_eq!(
        stub.calls("kf/servicer/list")[0].query,
        "access_token=T1&open_kfid=wk%201"
    );
    let asked = ["wm1".to_owned(), "wm2".to_owned()];
    let customers = client.customers("default", &asked).await.unwrap();
    assert_eq!(
        (customers.found[0].nickname.as_str(), customers.invalid),
        ("张三", vec!["wm2".to_owned()])
    );
    let error = client
        .customers("default", &vec![String::new(); 101])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
}
