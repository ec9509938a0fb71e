//! What a message is called and what it says, for people and for the model.

use kefu_wecom::message::MessageBody;

/// What stands in for a message where only text can be shown.
pub(crate) fn placeholder(msgtype: &str) -> &'static str {
    match msgtype {
        "image" => "[图片]",
        "voice" => "[语音]",
        "video" => "[视频]",
        "file" => "[文件]",
        "location" => "[位置]",
        "link" => "[链接]",
        "business_card" => "[名片]",
        "miniprogram" => "[小程序]",
        "msgmenu" => "[菜单]",
        "channels_shop_product" => "[商品]",
        "channels_shop_order" => "[订单]",
        "merged_msg" => "[聊天记录]",
        "channels" => "[视频号]",
        "meeting" => "[会议]",
        "schedule" => "[日程]",
        "note" => "[笔记]",
        _ => "[消息]",
    }
}

/// What a message says in words; `None` for an image and the like.
pub(super) fn text(body: &MessageBody) -> Option<String> {
    let described = |words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        Some(format!("{} {}", placeholder(body.msgtype()), words.join(" "))).filter(|_| !words.is_empty())
    };
    match body {
        MessageBody::Text(text) => Some(text.content.clone()),
        MessageBody::Location(location) => described(&[&location.name, &location.address]),
        MessageBody::Link(link) => described(&[&link.title, &link.desc, &link.url]),
        MessageBody::Miniprogram(program) => described(&[&program.title]),
        MessageBody::ShopProduct(product) => described(&[&product.title, &product.sales_price]),
        MessageBody::ShopOrder(order) => described(&[&order.order_id, &order.product_titles, &order.state]),
        MessageBody::Merged { title, .. } => described(&[title]),
        MessageBody::Channels { nickname, title, .. } => described(&[nickname, title]),
        _ => None,
    }
}
