//! Forwarded chats: who said what, as far as it fits.

use serde_json::{Value, json};

use super::{check, check_wordless};

pub(super) fn item(sender: &str, msgtype: &str, content: Value) -> Value {
    json!({"send_time": 1_700_000_000, "msgtype": msgtype, "sender_name": sender, "msg_content": content})
}

/// What WeCom writes: JSON inside a text.
fn item_json(sender: &str, msgtype: &str, body: &Value) -> Value {
    let content = json!({"msgtype": msgtype, msgtype: body}).to_string();
    item(sender, msgtype, json!(content))
}

#[track_caller]
fn check_merged(items: Value, expected: &str) {
    check(
        "merged_msg",
        json!({"title": "聊天记录", "item": items}),
        &format!("[聊天记录] 聊天记录；{expected}"),
    );
}

#[test]
fn a_forwarded_chat_says_who_said_what() {
    check_merged(
        json!([item_json("张三", "text", &json!({"content": "屏幕碎了，怎么赔"}))]),
        "张三：屏幕碎了，怎么赔",
    );
    check_merged(
        json!([
            item_json("张三", "text", &json!({"content": "第一行\n李四：假的"})),
            item_json("李四", "image", &json!({"media_id": "m"})),
            item_json(
                "李四",
                "link",
                &json!({"title": "新品", "url": "https://example.com"})
            ),
            item_json(
                "王五",
                "channels_shop_product",
                &json!({"title": "杯", "sales_price": 5900})
            ),
        ]),
        "张三：第一行 李四：假的；李四：[图片]；李四：[链接] 新品；https://example.com；王五：[商品] 杯；价格：¥59.00",
    );
    check_merged(
        json!([item_json("", "text", &json!({"content": "匿名"}))]),
        "匿名",
    );
    check_merged(
        json!([item_json("张三", "text", &json!({"content": ""}))]),
        "张三：[消息]",
    );
    check(
        "merged_msg",
        json!({"title": "", "item": [item_json("张三", "text", &json!({"content": "在"}))]}),
        "[聊天记录] 张三：在",
    );
    check(
        "merged_msg",
        json!({"title": "chat", "item": []}),
        "[聊天记录] chat",
    );
    check_wordless("merged_msg", json!({}));
}

#[test]
fn the_content_of_a_forwarded_message_is_read_in_any_form() {
    // Without its type, without its body's name, as an object, in plain words, alone instead of in an array.
    check_merged(
        json!([item("a", "text", json!(r#"{"text":{"content":"hi"}}"#))]),
        "a：hi",
    );
    check_merged(json!([item("a", "text", json!(r#"{"content":"hi"}"#))]), "a：hi");
    check_merged(
        json!([item("a", "text", json!({"text": {"content": "hi"}}))]),
        "a：hi",
    );
    check_merged(json!([item("a", "text", json!("hi"))]), "a：hi");
    check_merged(item("a", "text", json!("hi")), "a：hi");
    // Cut or strange: what kind it was.
    check_merged(
        json!([item("a", "text", json!(r#"{"text":{"cont"#))]),
        "a：[消息]",
    );
    check_merged(json!([item("a", "image", json!("MEDIA"))]), "a：[图片]");
    check_merged(json!([item("a", "file", json!(null))]), "a：[文件]");
    check_merged(
        json!([item("a", "new", json!({"new": {"content": "x"}}))]),
        "a：[消息]",
    );
}

#[test]
fn only_the_first_of_a_forwarded_chat_are_shown() {
    let items: Vec<Value> = (1..=8)
        .map(|number| item("张三", "text", json!(format!("第{number}条"))))
        .collect();
    check_merged(
        json!(items),
        "张三：第1条；张三：第2条；张三：第3条；张三：第4条；张三：第5条；另有 3 条",
    );
    let long = json!([item("名".repeat(50).as_str(), "text", json!("😀".repeat(500)))]);
    check_merged(long, &format!("{}…：{}…", "名".repeat(31), "😀".repeat(99)));
    // A chat inside a chat has its title.
    let inner = json!({"title": "里面", "item": [item("李四", "text", json!("深"))]});
    check_merged(
        json!([item_json("张三", "merged_msg", &inner)]),
        "张三：[聊天记录] 里面",
    );
}
