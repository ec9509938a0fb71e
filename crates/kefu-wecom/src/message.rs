//! Messages as `kf/sync_msg` hands them out (doc 94670).
//!
//! Read leniently on purpose: a field that is missing or of an odd type becomes its empty value,
//! because a strict reader would drop a customer's message over a detail nobody looks at.

mod body;
mod event;
mod loose;

use serde_json::value::RawValue;
use thiserror::Error;

pub use body::{
    Link, Location, MediaRef, MergedItem, MessageBody, Miniprogram, ShopOrder, ShopProduct, Text,
};
pub use event::{ChangeType, EnterSession, FailType, KfEvent, SendFailed, ServicerStatus, SessionChanged};

use loose::Loose;

/// One message or event of an account's stream.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncMessage {
    /// Up to 44 characters seen: longer than what may be sent.
    pub msgid: String,
    /// For events it stands inside `event`; some events have none.
    pub open_kfid: Option<String>,
    pub external_userid: Option<String>,
    /// Unix seconds; 0 if absent.
    pub send_time: i64,
    pub origin: Origin,
    /// Who sent it, for [`Origin::Servicer`].
    pub servicer_userid: Option<String>,
    pub body: MessageBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// 3: the customer wrote it.
    Customer,
    /// 4: an event of the system.
    System,
    /// 5: a servicer wrote it in WeCom's client. Never customer input.
    Servicer,
    /// A number we do not know, 0 if absent.
    Other(i64),
}

/// Why a message cannot be read at all. Never quotes it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidMessage {
    #[error("message is not a readable json object")]
    NotAnObject,
    #[error("message has no msgid")]
    NoMsgid,
}

impl SyncMessage {
    pub fn parse(raw: &RawValue) -> Result<SyncMessage, InvalidMessage> {
        let value = loose::read(raw.get()).ok_or(InvalidMessage::NotAnObject)?;
        let message = Loose::new(&value).ok_or(InvalidMessage::NotAnObject)?;
        let msgtype = message.text("msgtype");
        let inner = message.object(&msgtype);
        let either = |name: &str| {
            message
                .text_if_any(name)
                .or_else(|| inner.filter(|_| msgtype == "event")?.text_if_any(name))
        };
        Ok(SyncMessage {
            msgid: message.text_if_any("msgid").ok_or(InvalidMessage::NoMsgid)?,
            open_kfid: either("open_kfid"),
            external_userid: either("external_userid"),
            send_time: message.number("send_time"),
            origin: match message.number("origin") {
                3 => Origin::Customer,
                4 => Origin::System,
                5 => Origin::Servicer,
                other => Origin::Other(other),
            },
            servicer_userid: either("servicer_userid"),
            body: MessageBody::read(&msgtype, inner),
        })
    }
}
