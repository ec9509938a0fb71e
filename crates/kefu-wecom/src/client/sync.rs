use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Client, transport};
use crate::error::ApiError;

/// Largest page: 1000 messages, most of them far below 8 KiB.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most messages of one page, WeCom's default and maximum.
pub const PAGE_MESSAGES_MAX: u32 = 1000;

const API: &str = "kf/sync_msg";

/// What to pull (doc 94670).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncRequest {
    /// From the page before; absent pulls everything of the last 3 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// From the callback, valid 10 min; without it WeCom limits the rate strictly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// 1 to [`PAGE_MESSAGES_MAX`]; fewer may come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    pub voice_format: VoiceFormat,
    /// Absent pulls all accounts of the app in one stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_kfid: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VoiceFormat {
    #[default]
    Amr,
    Silk,
}

/// One page of the stream.
#[derive(Debug)]
pub struct SyncPage {
    /// Where the next pull starts. Opaque: never compared but for equality. `None` if absent or empty.
    pub next_cursor: Option<String>,
    /// Whether there is more, even if this page is empty.
    pub has_more: bool,
    /// Each to be read with [`crate::SyncMessage::parse`]: an odd one does not spoil the others.
    pub messages: Vec<Box<RawValue>>,
}

impl Client {
    /// `kf/sync_msg`: the next page of messages and events.
    pub async fn sync_msg(&self, app: &str, request: &SyncRequest) -> Result<SyncPage, ApiError> {
        let bytes = self.post_bytes(app, API, request, PAGE_BYTES_MAX).await?;
        SyncPage::parse(&bytes)
    }
}

impl SyncPage {
    /// Reads an answer that is no refusal. Fails only for what the page itself consists of: a message is
    /// kept as it came, whatever it is.
    pub fn parse(answer: &[u8]) -> Result<SyncPage, ApiError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            next_cursor: Option<String>,
            #[serde(default)]
            has_more: Box<RawValue>,
            #[serde(default)]
            msg_list: Option<Vec<Box<RawValue>>>,
        }
        let page: Page = transport::decode(API, answer)
            .or_else(|_| transport::decode(API, repaired(answer).as_bytes()))?;
        Ok(SyncPage {
            next_cursor: page.next_cursor.filter(|cursor| !cursor.is_empty()),
            has_more: matches!(page.has_more.get().trim_matches('"'), "1" | "true"),
            messages: page.msg_list.unwrap_or_default(),
        })
    }
}

/// The same JSON with U+FFFD for bytes that are not UTF-8 and spaces for bare control characters.
///
/// Both are forbidden in JSON, but one such byte in one customer's message would otherwise make the
/// page unreadable at every try and hold the stream for ever.
pub(super) fn repaired(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_ascii_control() { ' ' } else { c })
        .collect()
}

impl Serialize for VoiceFormat {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match self {
            VoiceFormat::Amr => 0,
            VoiceFormat::Silk => 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MessageBody, SyncMessage};

    #[test]
    fn odd_elements_leave_the_others_readable() {
        let page = SyncPage::parse(
            br#"{"errcode":0,"next_cursor":"c","has_more":1,"msg_list":[1,null,{"msgid":7},"x",{"msgid":"m"}]}"#,
        )
        .unwrap();
        let read: Vec<_> = page
            .messages
            .iter()
            .map(|raw| SyncMessage::parse(raw).is_ok())
            .collect();
        assert_eq!(read, [false, false, true, false, true]);
        assert!(page.has_more);
    }

    #[test]
    fn forbidden_bytes_in_one_message_do_not_hold_the_page() {
        let page = SyncPage::parse(
            b"{\"errcode\":0,\"msg_list\":[{\"msgid\":\"m\",\"msgtype\":\"text\",\"text\":{\"content\":\"a\xff\x01b\"}}]}",
        )
        .unwrap();
        let message = SyncMessage::parse(&page.messages[0]).unwrap();
        assert!(matches!(message.body, MessageBody::Text(text) if text.content == "a\u{fffd} b"));
        assert_eq!((page.next_cursor, page.has_more), (None, false));
    }
}
