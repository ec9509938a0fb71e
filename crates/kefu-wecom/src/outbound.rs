//! What can be sent to a customer (doc 96427).

use serde::{Deserialize, Serialize};

/// Longest text message.
pub const TEXT_BYTES_MAX: usize = 2048;
/// Most items of a menu (95008).
pub const MENU_ITEMS_MAX: usize = 10;
/// Longest `msgid`.
pub const MSGID_BYTES_MAX: usize = 32;

/// The body of a message, in WeCom's JSON form: `{"text":{"content":"…"}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundBody {
    /// At most 2048 bytes.
    Text {
        content: String,
    },
    Image {
        media_id: String,
    },
    Voice {
        media_id: String,
    },
    Video {
        media_id: String,
    },
    File {
        media_id: String,
    },
    /// Over 128 bytes of title or 512 of description WeCom cuts silently.
    Link {
        title: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        desc: String,
        url: String,
        thumb_media_id: String,
    },
    Miniprogram {
        appid: String,
        title: String,
        thumb_media_id: String,
        pagepath: String,
    },
    Msgmenu(Menu),
    Location {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        address: String,
        latitude: f64,
        longitude: f64,
    },
    /// At most one per 48 h (95025).
    BusinessCard {
        userid: String,
    },
    /// A link of the customer acquisition assistant.
    CaLink {
        link_url: String,
    },
}

/// A text with choices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Menu {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head_content: String,
    #[serde(default)]
    pub list: Vec<MenuItem>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail_content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MenuItem {
    Click { click: Click },
    View { view: View },
    Miniprogram { miniprogram: MenuMiniprogram },
    Text { text: MenuText },
}

/// A choice that comes back as the customer's text, with `menu_id` = `id` (at most 64 bytes).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Click {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    pub url: String,
    pub content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MenuMiniprogram {
    pub appid: String,
    pub pagepath: String,
    pub content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MenuText {
    pub content: String,
    /// 1 joins the next item to this line.
    #[serde(default)]
    pub no_newline: u8,
}

impl OutboundBody {
    pub fn text(content: impl Into<String>) -> OutboundBody {
        OutboundBody::Text {
            content: content.into(),
        }
    }

    /// The `msgtype` beside the body.
    pub fn msgtype(&self) -> &'static str {
        match self {
            OutboundBody::Text { .. } => "text",
            OutboundBody::Image { .. } => "image",
            OutboundBody::Voice { .. } => "voice",
            OutboundBody::Video { .. } => "video",
            OutboundBody::File { .. } => "file",
            OutboundBody::Link { .. } => "link",
            OutboundBody::Miniprogram { .. } => "miniprogram",
            OutboundBody::Msgmenu(_) => "msgmenu",
            OutboundBody::Location { .. } => "location",
            OutboundBody::BusinessCard { .. } => "business_card",
            OutboundBody::CaLink { .. } => "ca_link",
        }
    }

    /// Finds what WeCom is sure to refuse, so that a bug of ours costs no call.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            OutboundBody::Text { content } if content.is_empty() => Err("the text is empty".to_owned()),
            OutboundBody::Text { content } if content.len() > TEXT_BYTES_MAX => Err(format!(
                "the text has {} bytes, at most {TEXT_BYTES_MAX} are allowed",
                content.len()
            )),
            OutboundBody::Msgmenu(menu) if menu.list.len() > MENU_ITEMS_MAX => Err(format!(
                "the menu has {} items, at most {MENU_ITEMS_MAX} are allowed",
                menu.list.len()
            )),
            _ => Ok(()),
        }
    }
}

/// `[0-9A-Za-z_-]`, 1 to 32 bytes; WeCom refuses an empty one where absent is fine.
pub(crate) fn check_msgid(msgid: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !msgid.is_empty() && msgid.len() <= MSGID_BYTES_MAX && msgid.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!("msgid must be 1 to {MSGID_BYTES_MAX} of [0-9A-Za-z_-]")),
    }
}
