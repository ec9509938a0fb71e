//! The decrypted plaintext of a callback.

use thiserror::Error;

use crate::fields::{self, Field, ParseError};

/// Longest result of [`CallbackEvent::kind`].
const KIND_LENGTH_MAX: usize = 64;

/// One message or event of WeCom, known or not: the whole tree is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackEvent {
    /// The children of the root, in their order.
    pub fields: Vec<Field>,
}

/// Why a plaintext is no event.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(transparent)]
pub struct EventError(#[from] pub ParseError);

impl CallbackEvent {
    pub fn parse(plaintext: &[u8]) -> Result<CallbackEvent, EventError> {
        Ok(CallbackEvent {
            fields: fields::parse(plaintext)?,
        })
    }

    /// What it is, as lower-case text: `text`, `event.kf_msg_or_event`, `suite.suite_ticket`.
    ///
    /// At most 64 characters of `[a-z0-9_.-]`, so it can be a metric label or a key in the settings
    /// (WeCom itself writes both `CLICK` and `click`). `unknown` where nothing says it.
    pub fn kind(&self) -> String {
        let kind = match (self.info_type(), self.msg_type()) {
            (Some(info_type), _) => format!("suite.{info_type}"),
            (None, Some(event)) if event.eq_ignore_ascii_case("event") => match self.event() {
                Some(event) => format!("event.{event}"),
                None => "event".to_owned(),
            },
            (None, Some(msg_type)) => msg_type.to_owned(),
            (None, None) => "unknown".to_owned(),
        };
        kind.chars().take(KIND_LENGTH_MAX).map(plain).collect()
    }

    /// The first field of that name at the top level, whatever its case.
    pub fn field(&self, name: &str) -> Option<&Field> {
        fields::find(&self.fields, name)
    }

    /// The text of that field; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name)
            .map(|field| field.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// Every field of that name at the top level.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    /// Corp id.
    pub fn to_user_name(&self) -> Option<&str> {
        self.text("ToUserName")
    }

    /// The user it comes from, or `sys`.
    pub fn from_user_name(&self) -> Option<&str> {
        self.text("FromUserName")
    }

    /// Unix seconds; suite notifications call it `TimeStamp`.
    pub fn create_time(&self) -> Option<i64> {
        self.text("CreateTime")
            .or_else(|| self.text("TimeStamp"))?
            .parse()
            .ok()
    }

    pub fn msg_type(&self) -> Option<&str> {
        self.text("MsgType")
    }

    /// The event's name; events of a group robot nest it as `EventType`.
    pub fn event(&self) -> Option<&str> {
        let nested = || {
            self.field("Event")?
                .child("EventType")
                .map(|field| field.text.as_str())
        };
        self.text("Event").or_else(nested).filter(|text| !text.is_empty())
    }

    pub fn change_type(&self) -> Option<&str> {
        self.text("ChangeType")
    }

    /// Set on notifications to a third-party suite only.
    pub fn info_type(&self) -> Option<&str> {
        self.text("InfoType")
    }

    pub fn suite_id(&self) -> Option<&str> {
        self.text("SuiteId")
    }

    pub fn agent_id(&self) -> Option<&str> {
        self.text("AgentID")
    }

    /// A 64-bit number for app messages, kept as text because others use letters.
    pub fn msg_id(&self) -> Option<&str> {
        self.text("MsgId")
    }

    /// Token for `kf/sync_msg`, valid 10 min (doc 94670).
    pub fn token(&self) -> Option<&str> {
        self.text("Token")
    }

    /// The account that has news; the first generation of the API did not say it.
    pub fn open_kfid(&self) -> Option<&str> {
        self.text("OpenKfId")
    }

    /// Whether it says "there is something to pull with `kf/sync_msg`".
    pub fn is_kf_wake_up(&self) -> bool {
        self.event() == Some("kf_msg_or_event") && self.info_type().is_none()
    }
}

fn plain(character: char) -> char {
    match character.to_ascii_lowercase() {
        plain @ ('a'..='z' | '0'..='9' | '_' | '.' | '-') => plain,
        _ => '_',
    }
}
