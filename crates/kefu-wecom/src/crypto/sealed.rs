use std::fmt::Write;

use serde_json::json;

use super::Signed;
use crate::query;

/// A sealed and signed text, ready to be put into any of the forms that travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub encrypt: String,
    pub msg_signature: String,
    pub timestamp: String,
    pub nonce: String,
}

impl Sealed {
    pub fn signed(&self) -> Signed<'_> {
        Signed {
            msg_signature: &self.msg_signature,
            timestamp: &self.timestamp,
            nonce: &self.nonce,
        }
    }

    /// The query of a POST: percent-encoded, without a leading `?`.
    pub fn query(&self) -> String {
        format!(
            "msg_signature={}&timestamp={}&nonce={}",
            query::encode(&self.msg_signature),
            query::encode(&self.timestamp),
            query::encode(&self.nonce),
        )
    }

    /// The query of the GET by which WeCom checks an address.
    pub fn echo_query(&self) -> String {
        format!("{}&echostr={}", self.query(), query::encode(&self.encrypt))
    }

    /// The body of a callback. Suite callbacks carry no agent id.
    pub fn request_xml(&self, to_user_name: &str, agent_id: Option<&str>) -> String {
        let mut xml = format!(
            "<xml><ToUserName>{}</ToUserName><Encrypt>{}</Encrypt>",
            cdata(to_user_name),
            cdata(&self.encrypt)
        );
        if let Some(agent_id) = agent_id {
            write!(xml, "<AgentID>{}</AgentID>", cdata(agent_id)).expect("writing to a string cannot fail");
        }
        xml.push_str("</xml>");
        xml
    }

    /// The body of a callback of an address that was set up for JSON.
    pub fn request_json(&self, to_user_name: &str, agent_id: Option<&str>) -> String {
        let mut body = json!({ "tousername": to_user_name, "encrypt": self.encrypt });
        if let Some(agent_id) = agent_id {
            body["agentid"] = agent_id.into();
        }
        body.to_string()
    }

    /// The passive reply to a callback (doc 91144).
    pub fn reply_xml(&self) -> String {
        // The time is the one element that WeCom shows as a bare number; ours is a number unless a caller errs.
        let timestamp = match self.timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            true => self.timestamp.clone(),
            false => cdata(&self.timestamp),
        };
        format!(
            "<xml><Encrypt>{}</Encrypt><MsgSignature>{}</MsgSignature><TimeStamp>{timestamp}</TimeStamp><Nonce>{}</Nonce></xml>",
            cdata(&self.encrypt),
            cdata(&self.msg_signature),
            cdata(&self.nonce),
        )
    }

    pub fn reply_json(&self) -> String {
        json!({
            "encrypt": self.encrypt,
            "msgsignature": self.msg_signature,
            "timestamp": self.timestamp,
            "nonce": self.nonce,
        })
        .to_string()
    }
}

/// Wraps a text so that none of its characters can end the element.
fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}
