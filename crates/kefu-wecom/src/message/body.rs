use super::KfEvent;
use super::loose::Loose;
use crate::outbound::{Click, Menu, MenuItem, MenuMiniprogram, MenuText, View};

/// The content of a message by its `msgtype`.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageBody {
    Text(Text),
    Image(MediaRef),
    Voice(MediaRef),
    Video(MediaRef),
    File(MediaRef),
    Location(Location),
    Link(Link),
    BusinessCard {
        userid: String,
    },
    Miniprogram(Miniprogram),
    /// Sent by a servicer's side, not by customers.
    Menu(Menu),
    ShopProduct(ShopProduct),
    ShopOrder(ShopOrder),
    /// A forwarded chat.
    Merged {
        title: String,
        items: Vec<MergedItem>,
    },
    /// A post (1), live show (2) or card (3) of Channels.
    Channels {
        sub_type: i64,
        nickname: String,
        title: String,
    },
    /// Documented without any field; a title is read where one is given. So are the next two.
    Meeting {
        title: String,
    },
    Schedule {
        title: String,
    },
    Note {
        title: String,
    },
    Event(KfEvent),
    /// A `msgtype` of the future, or one whose content is missing.
    Unknown {
        msgtype: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub content: String,
    /// Set when the customer tapped a menu item.
    pub menu_id: Option<String>,
}

/// Valid for 3 days; fetched with `media/get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRef {
    pub media_id: String,
    /// The file's name, where one is given; the documents promise none.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// Degrees as they were given: perhaps out of range, perhaps not finite.
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub name: String,
    pub address: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub title: String,
    pub desc: String,
    pub url: String,
    pub pic_url: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miniprogram {
    pub title: String,
    pub appid: String,
    pub pagepath: String,
    pub thumb_media_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopProduct {
    pub product_id: String,
    pub head_image: String,
    pub title: String,
    /// Fen in digits, or a price in words.
    pub sales_price: String,
    pub shop_nickname: String,
    pub shop_head_image: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopOrder {
    pub order_id: String,
    pub product_titles: String,
    /// The price as it is shown, with its currency.
    pub price_wording: String,
    pub state: String,
    pub image_url: String,
    pub shop_nickname: String,
}

/// One message of a forwarded chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedItem {
    /// Unix seconds.
    pub send_time: i64,
    pub msgtype: String,
    pub sender_name: String,
    /// JSON inside a text, as WeCom sends it.
    pub msg_content: String,
}

impl MergedItem {
    /// What was forwarded. Some write plain words instead of JSON; halves of JSON are nobody's words.
    pub fn body(&self) -> MessageBody {
        let value = super::loose::read(&self.msg_content);
        let Some(content) = value.as_ref().and_then(Loose::new) else {
            let is_spoken = matches!(self.msgtype.as_str(), "" | "text");
            return match is_spoken && !self.msg_content.trim_start().starts_with('{') {
                true => MessageBody::Text(Text {
                    content: self.msg_content.clone(),
                    menu_id: None,
                }),
                false => MessageBody::Unknown {
                    msgtype: self.msgtype.clone(),
                },
            };
        };
        let msgtype = match content.text_if_any("msgtype") {
            Some(msgtype) => msgtype,
            None => self.msgtype.clone(),
        };
        // The body stands under its type, or is the whole content.
        let inner = content.object(&msgtype).unwrap_or(content);
        MessageBody::read(&msgtype, Some(inner))
    }
}

impl MessageBody {
    pub(super) fn read(msgtype: &str, inner: Option<Loose<'_>>) -> MessageBody {
        // These three may come without any content.
        let title = || inner.map(|inner| inner.text("title")).unwrap_or_default();
        match msgtype {
            "meeting" => return MessageBody::Meeting { title: title() },
            "schedule" => return MessageBody::Schedule { title: title() },
            "note" => return MessageBody::Note { title: title() },
            _ => {}
        }
        let unknown = || MessageBody::Unknown {
            msgtype: msgtype.to_owned(),
        };
        let Some(inner) = inner else { return unknown() };
        let media = || MediaRef {
            media_id: inner.text("media_id"),
            name: inner.first_text(&["file_name", "filename", "name", "title"]),
        };
        match msgtype {
            "text" => {
                let menu_id = inner.text_if_any("menu_id");
                MessageBody::Text(Text {
                    content: inner.text("content"),
                    menu_id,
                })
            }
            "image" => MessageBody::Image(media()),
            "voice" => MessageBody::Voice(media()),
            "video" => MessageBody::Video(media()),
            "file" => MessageBody::File(media()),
            "location" => MessageBody::Location(location(inner)),
            "link" => MessageBody::Link(link(inner)),
            "business_card" => MessageBody::BusinessCard {
                userid: inner.text("userid"),
            },
            "miniprogram" => MessageBody::Miniprogram(miniprogram(inner)),
            "msgmenu" => MessageBody::Menu(menu(inner)),
            "channels_shop_product" => MessageBody::ShopProduct(shop_product(inner)),
            "channels_shop_order" => MessageBody::ShopOrder(shop_order(inner)),
            "merged_msg" => {
                let items = inner.objects("item").map(merged_item).collect();
                MessageBody::Merged {
                    title: inner.text("title"),
                    items,
                }
            }
            "channels" => MessageBody::Channels {
                sub_type: inner.number("sub_type"),
                nickname: inner.text("nickname"),
                title: inner.text("title"),
            },
            "event" => MessageBody::Event(KfEvent::read(inner)),
            _ => unknown(),
        }
    }

    /// WeCom's word for it.
    pub fn msgtype(&self) -> &str {
        match self {
            MessageBody::Text(_) => "text",
            MessageBody::Image(_) => "image",
            MessageBody::Voice(_) => "voice",
            MessageBody::Video(_) => "video",
            MessageBody::File(_) => "file",
            MessageBody::Location(_) => "location",
            MessageBody::Link(_) => "link",
            MessageBody::BusinessCard { .. } => "business_card",
            MessageBody::Miniprogram(_) => "miniprogram",
            MessageBody::Menu(_) => "msgmenu",
            MessageBody::ShopProduct(_) => "channels_shop_product",
            MessageBody::ShopOrder(_) => "channels_shop_order",
            MessageBody::Merged { .. } => "merged_msg",
            MessageBody::Channels { .. } => "channels",
            MessageBody::Meeting { .. } => "meeting",
            MessageBody::Schedule { .. } => "schedule",
            MessageBody::Note { .. } => "note",
            MessageBody::Event(_) => "event",
            MessageBody::Unknown { msgtype } => msgtype,
        }
    }
}

fn location(inner: Loose<'_>) -> Location {
    Location {
        latitude: inner.float("latitude"),
        longitude: inner.float("longitude"),
        name: inner.text("name"),
        address: inner.text("address"),
    }
}

fn link(inner: Loose<'_>) -> Link {
    Link {
        title: inner.text("title"),
        desc: inner.text("desc"),
        url: inner.text("url"),
        pic_url: inner.text("pic_url"),
    }
}

fn miniprogram(inner: Loose<'_>) -> Miniprogram {
    Miniprogram {
        title: inner.text("title"),
        appid: inner.text("appid"),
        pagepath: inner.text("pagepath"),
        thumb_media_id: inner.text("thumb_media_id"),
    }
}

fn menu(inner: Loose<'_>) -> Menu {
    Menu {
        head_content: inner.text("head_content"),
        list: inner.objects("list").filter_map(menu_item).collect(),
        tail_content: inner.text("tail_content"),
    }
}

fn menu_item(item: Loose<'_>) -> Option<MenuItem> {
    let kind = item.text("type");
    let inner = item.object(&kind)?;
    let content = inner.text("content");
    Some(match kind.as_str() {
        "click" => MenuItem::Click {
            click: Click {
                id: inner.text("id"),
                content,
            },
        },
        "view" => MenuItem::View {
            view: View {
                url: inner.text("url"),
                content,
            },
        },
        "miniprogram" => MenuItem::Miniprogram {
            miniprogram: MenuMiniprogram {
                appid: inner.text("appid"),
                pagepath: inner.text("pagepath"),
                content,
            },
        },
        "text" => MenuItem::Text {
            text: MenuText {
                content,
                no_newline: u8::from(inner.number("no_newline") == 1),
            },
        },
        _ => return None,
    })
}

fn shop_product(inner: Loose<'_>) -> ShopProduct {
    ShopProduct {
        product_id: inner.text("product_id"),
        // Both spellings are in use.
        head_image: inner.first_text(&["head_image", "head_img"]),
        title: inner.text("title"),
        sales_price: inner.whole_or_text("sales_price"),
        shop_nickname: inner.text("shop_nickname"),
        shop_head_image: inner.first_text(&["shop_head_image", "shop_head_img"]),
    }
}

fn shop_order(inner: Loose<'_>) -> ShopOrder {
    ShopOrder {
        order_id: inner.text("order_id"),
        product_titles: inner.text("product_titles"),
        price_wording: inner.text("price_wording"),
        state: inner.text("state"),
        image_url: inner.text("image_url"),
        shop_nickname: inner.text("shop_nickname"),
    }
}

fn merged_item(item: Loose<'_>) -> MergedItem {
    MergedItem {
        send_time: item.number("send_time"),
        msgtype: item.text("msgtype"),
        sender_name: item.text("sender_name"),
        msg_content: item.text_or_json("msg_content"),
    }
}
