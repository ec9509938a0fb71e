//! What a message is called and what it says, for people and for the model.
//!
//! One table of words per kind: what a customer sees on a card stands in one line, bounded, nothing half said.

mod line;
mod price;
#[cfg(test)]
mod tests;

use kefu_wecom::message::{Link, Location, MergedItem, MessageBody, ShopOrder, ShopProduct};
use kefu_wecom::outbound::{Menu, MenuItem};

use line::{Line, clean, clean_lines, cut, whole_url};
use price::price;

/// The longest line, in characters, without its placeholder.
const LINE_CHARS_MAX: usize = 1_000;
/// Of a forwarded chat: its first messages, and how much of each.
const MERGED_ITEMS_MAX: usize = 5;
const MERGED_ITEM_CHARS_MAX: usize = 100;
/// The longest name of somebody who wrote in a forwarded chat.
const SENDER_CHARS_MAX: usize = 32;
/// WeCom allows ten items in a menu.
const MENU_ITEMS_MAX: usize = 10;
const MENU_ITEM_CHARS_MAX: usize = 80;

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

/// What a message says in words, at most [`LINE_CHARS_MAX`] unless it was typed; `None` when it has none, as a
/// picture.
pub(super) fn text(body: &MessageBody) -> Option<String> {
    match body {
        MessageBody::Text(text) => Some(clean_lines(&text.content)),
        other => line(other, Depth::Alone).show(placeholder(other.msgtype()), LINE_CHARS_MAX),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Alone,
    /// Inside a forwarded chat: a chat in there has its title only.
    Forwarded,
}

/// The pieces a kind is made of, the most telling first.
fn line(body: &MessageBody, depth: Depth) -> Line {
    let empty = Line::default();
    match body {
        MessageBody::Text(text) => empty.text(&text.content),
        MessageBody::Image(media)
        | MessageBody::Voice(media)
        | MessageBody::Video(media)
        | MessageBody::File(media) => empty.text(&media.name),
        MessageBody::Location(location) => located(location),
        MessageBody::Link(link) => linked(link),
        MessageBody::BusinessCard { userid } => empty.text(userid),
        MessageBody::Miniprogram(program) => empty.text(&program.title),
        MessageBody::Menu(menu) => choices(menu),
        MessageBody::ShopProduct(product) => offered(product),
        MessageBody::ShopOrder(order) => ordered(order),
        MessageBody::Merged { title, items } => match depth {
            Depth::Alone => forwarded(title, items),
            Depth::Forwarded => empty.text(title),
        },
        MessageBody::Channels {
            sub_type,
            nickname,
            title,
        } => channel(*sub_type, nickname, title),
        MessageBody::Meeting { title } | MessageBody::Schedule { title } | MessageBody::Note { title } => {
            empty.text(title)
        }
        MessageBody::Event(_) | MessageBody::Unknown { .. } => empty,
    }
}

fn located(location: &Location) -> Line {
    Line::default()
        .text(&location.name)
        .text(&location.address)
        .whole(coordinates(location))
}

/// Where it is, if it is a place: a phone that does not know where it is sends twice zero.
fn coordinates(location: &Location) -> Option<String> {
    let (latitude, longitude) = (location.latitude?, location.longitude?);
    let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (latitude, longitude) != (0.0, 0.0);
    is_place.then(|| format!("纬度 {}，经度 {}", degrees(latitude), degrees(longitude)))
}

/// Four to six decimals: from eleven metres to eleven centimetres.
fn degrees(degrees: f64) -> String {
    let mut text = format!("{degrees:.6}");
    for _ in 0..2 {
        if text.ends_with('0') {
            text.pop();
        }
    }
    text
}

fn linked(link: &Link) -> Line {
    Line::default().text(&link.title).text(&link.desc).url(&link.url)
}

fn choices(menu: &Menu) -> Line {
    let items = menu.list.iter().take(MENU_ITEMS_MAX);
    let line = items.fold(Line::default().text(&menu.head_content), |line, item| {
        line.whole(choice(item))
    });
    line.text(&menu.tail_content)
}

fn choice(item: &MenuItem) -> Option<String> {
    let (content, url) = match item {
        MenuItem::Click { click } => (&click.content, None),
        MenuItem::View { view } => (&view.content, whole_url(&view.url)),
        MenuItem::Miniprogram { miniprogram } => (&miniprogram.content, None),
        MenuItem::Text { text } => (&text.content, None),
    };
    let content = cut(&clean(content), MENU_ITEM_CHARS_MAX);
    match (content.is_empty(), url) {
        (true, None) => None,
        (false, None) => Some(content),
        // In brackets, so that what follows does not become a part of it.
        (true, Some(url)) => Some(format!("<{url}>")),
        (false, Some(url)) => Some(format!("{content} <{url}>")),
    }
}

fn offered(product: &ShopProduct) -> Line {
    Line::default()
        .text(&product.title)
        .labelled("价格", &price(&product.sales_price))
        .labelled("店铺", &product.shop_nickname)
        .labelled("商品编号", &product.product_id)
}

fn ordered(order: &ShopOrder) -> Line {
    Line::default()
        .labelled("订单号", &order.order_id)
        .labelled_text("商品", &order.product_titles)
        .labelled("金额", &order.price_wording)
        .labelled("状态", &order.state)
        .labelled("店铺", &order.shop_nickname)
}

fn channel(sub_type: i64, nickname: &str, title: &str) -> Line {
    let kind = match sub_type {
        1 => "动态",
        2 => "直播",
        3 => "名片",
        _ => "",
    };
    Line::default().text(kind).labelled("名称", nickname).text(title)
}

fn forwarded(title: &str, items: &[MergedItem]) -> Line {
    let line = items
        .iter()
        .take(MERGED_ITEMS_MAX)
        .fold(Line::default().text(title), |line, item| {
            line.whole(Some(said(item)))
        });
    match items.len().saturating_sub(MERGED_ITEMS_MAX) {
        0 => line,
        more => line.whole(Some(format!("另有 {more} 条"))),
    }
}

/// One message of a forwarded chat, and who wrote it.
fn said(item: &MergedItem) -> String {
    let body = item.body();
    let said = match &body {
        MessageBody::Text(text) => cut(&clean(&text.content), MERGED_ITEM_CHARS_MAX),
        other => line(other, Depth::Forwarded)
            .show(placeholder(other.msgtype()), MERGED_ITEM_CHARS_MAX)
            .unwrap_or_else(|| placeholder(other.msgtype()).to_owned()),
    };
    let sender = cut(&clean(&item.sender_name), SENDER_CHARS_MAX);
    match (sender.is_empty(), said.is_empty()) {
        (true, _) => said,
        (false, true) => format!("{sender}：{}", placeholder("text")),
        (false, false) => format!("{sender}：{said}"),
    }
}
