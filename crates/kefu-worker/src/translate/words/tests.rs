//! What each kind says, with what people saw and its siblings.

mod merged;

use kefu_faults::mutator;
use kefu_wecom::SyncMessage;
use serde_json::{Value, json, value};

use super::*;

/// Damaged messages per run.
const CASES: u32 = 20_000;

fn said(msgtype: &str, body: &Value) -> Option<String> {
    let message =
        json!({"msgid": "m1", "external_userid": "wm1", "origin": 3, "msgtype": msgtype, msgtype: body});
    let message = SyncMessage::parse(&value::to_raw_value(&message).unwrap()).unwrap();
    text(&message.body)
}

#[track_caller]
fn check(msgtype: &str, body: Value, expected: &str) {
    assert_eq!(said(msgtype, &body).as_deref(), Some(expected));
}

/// Only the placeholder is shown.
#[track_caller]
fn check_wordless(msgtype: &str, body: Value) {
    assert_eq!(said(msgtype, &body), None);
}

#[test]
fn a_text_stands_as_it_was_typed() {
    check(
        "text",
        json!({"content": "你好\n第二行\t😀", "menu_id": "a"}),
        "你好\n第二行\t😀",
    );
    check("text", json!({"content": "a\r\nb\u{1b}[0m\u{0}c"}), "a\nb[0mc");
    check("text", json!({"content": ""}), "");
}

#[test]
fn media_are_called_by_their_names_if_they_have_any() {
    for msgtype in ["image", "voice", "video", "file"] {
        check_wordless(msgtype, json!({"media_id": "m"}));
    }
    check(
        "file",
        json!({"media_id": "m", "file_name": "合同 v2.pdf"}),
        "[文件] 合同 v2.pdf",
    );
    check(
        "video",
        json!({"media_id": "m", "filename": "开箱.mp4"}),
        "[视频] 开箱.mp4",
    );
    check(
        "voice",
        json!({"media_id": "m", "name": "录音\n1.amr"}),
        "[语音] 录音 1.amr",
    );
}

#[test]
fn a_location_says_where_it_is() {
    let place = |latitude: Value, longitude: Value, name: &str, address: &str| json!({"latitude": latitude, "longitude": longitude, "name": name, "address": address});
    check(
        "location",
        place(json!(39.9042), json!(116.4074), "", ""),
        "[位置] 纬度 39.9042，经度 116.4074",
    );
    check(
        "location",
        place(
            json!(23.1060218811035),
            json!(113.320503234863),
            "媒体港",
            "滨江东路",
        ),
        "[位置] 媒体港；滨江东路；纬度 23.106022，经度 113.320503",
    );
    check(
        "location",
        place(json!("31.2304"), json!("-121.47"), "", "外滩"),
        "[位置] 外滩；纬度 31.2304，经度 -121.4700",
    );
    check(
        "location",
        place(json!(51.4779), json!(0), "Greenwich", ""),
        "[位置] Greenwich；纬度 51.4779，经度 0.0000",
    );
    check(
        "location",
        place(json!(-90), json!(180), "", ""),
        "[位置] 纬度 -90.0000，经度 180.0000",
    );
    check(
        "location",
        place(json!(31.23045), json!(121.5), "", ""),
        "[位置] 纬度 31.23045，经度 121.5000",
    );
}

#[test]
fn a_place_that_is_none_is_not_told() {
    for (latitude, longitude) in [
        (json!(91), json!(0)),
        (json!(0), json!(180.5)),
        (json!(0), json!(0.0)),
        (json!("NaN"), json!(1)),
        (json!("inf"), json!(1)),
        (json!(null), json!(1)),
        (json!("north"), json!(1)),
        (json!(1e300), json!(1)),
    ] {
        let body = |name: &str| json!({"latitude": latitude, "longitude": longitude, "name": name});
        check("location", body("店"), "[位置] 店");
        check_wordless("location", body(""));
    }
    check("location", json!({"name": "店", "latitude": 30}), "[位置] 店");
}

#[test]
fn a_link_says_its_title_and_leads_on() {
    check(
        "link",
        json!({"title": "新品", "desc": "第二件\n半价", "url": "https://example.com/a?b=1&c=2", "pic_url": "p"}),
        "[链接] 新品；第二件 半价；https://example.com/a?b=1&c=2",
    );
    check(
        "link",
        json!({"url": "https://example.com"}),
        "[链接] https://example.com",
    );
    check("link", json!({"title": "t", "desc": "", "url": ""}), "[链接] t");
    check_wordless("link", json!({"pic_url": "p"}));
}

#[test]
fn cards_say_whom_or_what_they_show() {
    check("business_card", json!({"userid": "zhangsan"}), "[名片] zhangsan");
    check_wordless("business_card", json!({"userid": ""}));
    check(
        "miniprogram",
        json!({"title": "会员中心", "appid": "wx1", "pagepath": "a", "thumb_media_id": "t"}),
        "[小程序] 会员中心",
    );
    check_wordless("miniprogram", json!({"appid": "wx1"}));
}

#[test]
fn a_menu_says_its_choices() {
    let list = json!([
        {"type": "click", "click": {"id": "101", "content": "满意"}},
        {"type": "view", "view": {"url": "https://example.com", "content": "不满意"}},
        {"type": "miniprogram", "miniprogram": {"appid": "wx", "pagepath": "p", "content": "小程序"}},
        {"type": "text", "text": {"content": "一行", "no_newline": 1}},
        {"type": "click", "click": {"id": "102", "content": ""}},
        {"type": "new"},
    ]);
    check(
        "msgmenu",
        json!({"head_content": "满意吗？", "list": list, "tail_content": "谢谢"}),
        "[菜单] 满意吗？；满意；不满意 <https://example.com>；小程序；一行；谢谢",
    );
    check("msgmenu", json!({"head_content": "请选择"}), "[菜单] 请选择");
    check_wordless("msgmenu", json!({"list": []}));
}

#[test]
fn a_product_has_its_price_in_yuan() {
    let product = |price: Value| json!({"product_id": "P1", "head_image": "h", "title": "保温杯", "sales_price": price, "shop_nickname": "小店"});
    for (price, shown) in [
        (json!(5900), "¥59.00"),
        (json!("5900"), "¥59.00"),
        (json!(5900.0), "¥59.00"),
        (json!(1), "¥0.01"),
        (json!("129900"), "¥1299.00"),
        (json!("59.00"), "59.00"),
        (json!(59.5), "59.5"),
        (json!("¥59.00"), "¥59.00"),
        (json!("59元起"), "59元起"),
        (json!(-100), "-¥1.00"),
        (json!(0), "¥0.00"),
    ] {
        let expected = format!("[商品] 保温杯；价格：{shown}；店铺：小店；商品编号：P1");
        check("channels_shop_product", product(price), &expected);
    }
    for price in [json!(null), json!(""), json!([]), json!({})] {
        check(
            "channels_shop_product",
            product(price),
            "[商品] 保温杯；店铺：小店；商品编号：P1",
        );
    }
    check(
        "channels_shop_product",
        json!({"sales_price": "100"}),
        "[商品] 价格：¥1.00",
    );
    check_wordless("channels_shop_product", json!({"head_img": "h"}));
}

#[test]
fn an_order_says_what_it_costs_and_where_it_stands() {
    check(
        "channels_shop_order",
        json!({"order_id": "O1", "product_titles": "保温杯", "price_wording": "¥59.00", "state": "已发货", "image_url": "i", "shop_nickname": "店"}),
        "[订单] 订单号：O1；商品：保温杯；金额：¥59.00；状态：已发货；店铺：店",
    );
    check(
        "channels_shop_order",
        json!({"order_id": 3712345678901234567_i64, "product_titles": "杯|盖", "price_wording": "共2件 ¥120.00（含运费）"}),
        "[订单] 订单号：3712345678901234567；商品：杯|盖；金额：共2件 ¥120.00（含运费）",
    );
    check(
        "channels_shop_order",
        json!({"state": "待付款", "order_id": ""}),
        "[订单] 状态：待付款",
    );
    check_wordless("channels_shop_order", json!({"image_url": "i"}));
    let long = said(
        "channels_shop_order",
        &json!({"order_id": "O2", "product_titles": "很长的商品名".repeat(100), "state": "已发货"}),
    );
    let long = long.unwrap();
    assert!(
        long.starts_with("[订单] 订单号：O2；商品：很长的商品名"),
        "{long}"
    );
    assert!(long.ends_with("…；状态：已发货"), "{long}");
}

#[test]
fn channels_say_what_they_are() {
    let channels = |sub_type: i64| json!({"sub_type": sub_type, "nickname": "某号", "title": "标题"});
    check("channels", channels(1), "[视频号] 动态；名称：某号；标题");
    check("channels", channels(2), "[视频号] 直播；名称：某号；标题");
    check("channels", channels(3), "[视频号] 名片；名称：某号；标题");
    check("channels", channels(9), "[视频号] 名称：某号；标题");
    check("channels", json!({"sub_type": 2}), "[视频号] 直播");
    check_wordless("channels", json!({}));
}

#[test]
fn what_has_no_fields_today_may_have_a_title_tomorrow() {
    for (msgtype, name) in [("meeting", "[会议]"), ("schedule", "[日程]"), ("note", "[笔记]")] {
        check_wordless(msgtype, json!({}));
        check_wordless(msgtype, json!(null));
        check(msgtype, json!({"title": "周会"}), &format!("{name} 周会"));
    }
}

#[test]
fn unknown_kinds_and_events_say_nothing() {
    check_wordless("something_new", json!({"title": "t"}));
    check_wordless("image", json!("no object"));
    check_wordless("event", json!({"event_type": "enter_session", "scene": "s"}));
    assert_eq!(placeholder("something_new"), "[消息]");
}

#[test]
fn the_longest_line_has_an_end() {
    let long = "字".repeat(5_000);
    let items: Vec<Value> = (0..100)
        .map(|_| merged::item(&long, "text", json!(long)))
        .collect();
    let url = format!("https://example.com/{}", "a".repeat(400));
    let view = json!({"type": "view", "view": {"url": url, "content": long}});
    for (msgtype, body) in [
        ("merged_msg", json!({"title": long, "item": items})),
        ("link", json!({"title": long, "desc": long, "url": url})),
        (
            "msgmenu",
            json!({"head_content": long, "list": vec![view; 50], "tail_content": long}),
        ),
        (
            "location",
            json!({"name": long, "address": long, "latitude": 1, "longitude": 2}),
        ),
    ] {
        let shown = said(msgtype, &body).unwrap();
        assert!(
            shown.chars().count() <= LINE_CHARS_MAX + 8,
            "{msgtype}: {}",
            shown.chars().count()
        );
        // What is shown of a link is the whole of it.
        assert_eq!(
            shown.matches("https://").count(),
            shown.matches(&url).count(),
            "{msgtype}"
        );
    }
}

#[test]
fn no_damaged_message_makes_a_wild_line() {
    const MESSAGES: &[&str] = &[
        r#"{"msgid":"m","origin":3,"external_userid":"wm","msgtype":"merged_msg","merged_msg":{"title":"t","item":[{"msgtype":"text","sender_name":"a","msg_content":"{\"msgtype\":\"text\",\"text\":{\"content\":\"x\\ud83d\"}}"},{"msgtype":"merged_msg","sender_name":"b","msg_content":"{\"merged_msg\":{\"title\":\"u\",\"item\":[]}}"}]}}"#,
        r#"{"msgid":"m","origin":3,"external_userid":"wm","msgtype":"location","location":{"latitude":23.1,"longitude":"113.3","name":"n","address":""}}"#,
        r#"{"msgid":"m","origin":3,"external_userid":"wm","msgtype":"channels_shop_product","channels_shop_product":{"product_id":1,"title":"t","sales_price":"5900","shop_nickname":"s"}}"#,
        r#"{"msgid":"m","origin":3,"external_userid":"wm","msgtype":"channels_shop_order","channels_shop_order":{"order_id":"O1","product_titles":"a|b","price_wording":"¥1.00","state":"done"}}"#,
        r#"{"msgid":"m","origin":5,"external_userid":"wm","msgtype":"msgmenu","msgmenu":{"head_content":"h","list":[{"type":"view","view":{"url":"https://example.com","content":"x"}}],"tail_content":"t"}}"#,
        r#"{"msgid":"m","origin":3,"external_userid":"wm","msgtype":"link","link":{"title":"t","desc":"d","url":"https://example.com/a?b=c"}}"#,
    ];
    mutator::check(MESSAGES, CASES, |message| {
        let Some(message) = std::str::from_utf8(message)
            .ok()
            .and_then(|message| serde_json::from_str::<Box<value::RawValue>>(message).ok())
            .and_then(|message| SyncMessage::parse(&message).ok())
        else {
            return Ok(());
        };
        if matches!(message.body, MessageBody::Text(_)) {
            return Ok(());
        }
        let shown = text(&message.body).unwrap_or_default();
        let is_wild = shown.chars().any(char::is_control) || LINE_CHARS_MAX + 8 < shown.chars().count();
        let dangles = shown.ends_with(['；', '：', ' ']) || shown.contains("；；") || shown.contains("：；");
        match is_wild || dangles {
            true => Err(shown),
            false => Ok(()),
        }
    });
}
