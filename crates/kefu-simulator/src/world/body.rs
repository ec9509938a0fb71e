//! What a message may carry, per `msgtype` (docs 96427, 96428): sizes, fields, and how a customer sees it.

use serde_json::Value;

use super::{Media, Refusal};

/// `text.content`, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;
const URL_BYTES_MAX: usize = 2_048;
/// Head and tail of a menu, in bytes.
const MENU_EDGE_BYTES_MAX: usize = 1_024;
const MENU_ITEMS_MAX: usize = 10;
/// Sources give 64 or 128 bytes; the smaller one cannot be wrong.
const MENU_ID_BYTES_MAX: usize = 64;

/// What `send_msg` takes.
const SENDABLE: &[&str] = &[
    "text",
    "image",
    "voice",
    "video",
    "file",
    "link",
    "miniprogram",
    "msgmenu",
    "location",
    "business_card",
    "ca_link",
];

/// Refuses a `msgtype` that is not in `allowed`, or not sendable at all (40008).
pub(super) fn check_type<'a>(request: &'a Value, allowed: Option<&[&str]>) -> Result<&'a str, Refusal> {
    request
        .get("msgtype")
        .and_then(Value::as_str)
        .filter(|msgtype| allowed.unwrap_or(SENDABLE).contains(msgtype))
        .ok_or_else(|| Refusal::new(40_008, "invalid message type"))
}

/// Checks the body of an outgoing message; returns the line the customer sees.
pub(super) fn check(msgtype: &str, request: &Value, media: &Media, now: i64) -> Result<String, Refusal> {
    let body = request.get(msgtype).filter(|body| body.is_object());
    let body = body.ok_or_else(|| Refusal::parameter(&format!("{msgtype} is missing")))?;
    match msgtype {
        "text" => Ok(bounded(body, "content", 1, TEXT_BYTES_MAX)?.to_owned()),
        "image" | "voice" | "video" | "file" => {
            media.check(field(body, "media_id")?, now)?;
            Ok(format!("[{}]", name_of(msgtype)))
        }
        "link" => {
            let url = bounded(body, "url", 1, URL_BYTES_MAX)?;
            media.check(field(body, "thumb_media_id")?, now)?;
            Ok(format!("[链接] {} {url}", field(body, "title")?))
        }
        "miniprogram" => {
            field(body, "appid")?;
            field(body, "pagepath")?;
            media.check(field(body, "thumb_media_id")?, now)?;
            Ok(format!("[小程序] {}", optional(body, "title")?))
        }
        "msgmenu" => menu(body),
        "location" => {
            number(body, "latitude", 90.0)?;
            number(body, "longitude", 180.0)?;
            Ok(format!(
                "[位置] {} {}",
                optional(body, "name")?,
                optional(body, "address")?
            ))
        }
        "business_card" => Ok(format!("[名片] {}", field(body, "userid")?)),
        _ => Ok(format!(
            "[获客链接] {}",
            bounded(body, "link_url", 1, URL_BYTES_MAX)?
        )),
    }
}

/// How a message that is not text is shown in one word.
pub(super) fn name_of(msgtype: &str) -> &'static str {
    match msgtype {
        "image" => "图片",
        "voice" => "语音",
        "video" => "视频",
        "file" => "文件",
        "location" => "位置",
        "link" => "链接",
        "business_card" => "名片",
        "miniprogram" => "小程序",
        _ => "消息",
    }
}

fn menu(body: &Value) -> Result<String, Refusal> {
    let mut shown = String::new();
    for edge in ["head_content", "tail_content"] {
        if MENU_EDGE_BYTES_MAX < optional(body, edge)?.len() {
            return Err(Refusal::parameter(&format!(
                "msgmenu.{edge} is longer than 1024 bytes"
            )));
        }
    }
    shown.push_str(optional(body, "head_content")?);
    let items = match body.get("list") {
        None => &[][..],
        Some(list) => list
            .as_array()
            .ok_or_else(|| Refusal::parameter("msgmenu.list is no array"))?,
    };
    if MENU_ITEMS_MAX < items.len() {
        return Err(Refusal::new(95_008, "msgmenu item count exceeds the limit"));
    }
    for item in items {
        shown.push_str("\n• ");
        shown.push_str(menu_item(item)?);
    }
    let tail = optional(body, "tail_content")?;
    if !tail.is_empty() {
        shown.push('\n');
        shown.push_str(tail);
    }
    Ok(shown)
}

fn menu_item(item: &Value) -> Result<&str, Refusal> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    let body = item.get(kind);
    let missing = || Refusal::parameter("msgmenu.list: an item has no body of its type");
    match kind {
        "click" => {
            let body = body.ok_or_else(missing)?;
            if MENU_ID_BYTES_MAX < optional(body, "id")?.len() {
                return Err(Refusal::parameter(
                    "msgmenu.list.click.id is longer than 64 bytes",
                ));
            }
            bounded(body, "content", 1, 128)
        }
        "view" => {
            let body = body.ok_or_else(missing)?;
            bounded(body, "url", 1, URL_BYTES_MAX)?;
            bounded(body, "content", 1, 1_024)
        }
        "miniprogram" => {
            let body = body.ok_or_else(missing)?;
            field(body, "appid")?;
            field(body, "pagepath")?;
            bounded(body, "content", 1, 1_024)
        }
        "text" => bounded(body.ok_or_else(missing)?, "content", 1, 256),
        _ => Err(Refusal::new(95_009, "invalid msgmenu item type")),
    }
}

/// A text that has to be there.
pub(super) fn field<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    body.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::parameter(&format!("{name} is missing")))
}

fn optional<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(text) => text
            .as_str()
            .ok_or_else(|| Refusal::parameter(&format!("{name} is no text"))),
    }
}

fn bounded<'a>(body: &'a Value, name: &str, least: usize, most: usize) -> Result<&'a str, Refusal> {
    let text = optional(body, name)?;
    if text.len() < least {
        return Err(Refusal::parameter(&format!("{name} is missing")));
    }
    if most < text.len() {
        return Err(Refusal::parameter(&format!("{name} is longer than {most} bytes")));
    }
    Ok(text)
}

fn number(body: &Value, name: &str, most: f64) -> Result<(), Refusal> {
    match body.get(name).and_then(Value::as_f64) {
        Some(number) if number.abs() <= most => Ok(()),
        _ => Err(Refusal::parameter(&format!("{name} is no number of its range"))),
    }
}
