use serde::{Deserialize, Serialize};

use super::Client;
use crate::error::{ApiError, Failure};
use crate::outbound::{OutboundBody, check_msgid};

const SEND: &str = "kf/send_msg";
const SEND_ON_EVENT: &str = "kf/send_msg_on_event";

/// One message to a customer (doc 96427).
#[derive(Clone, Debug, PartialEq)]
pub struct SendMessage {
    /// `external_userid` of the customer.
    pub touser: String,
    pub open_kfid: String,
    /// Makes the call repeatable: WeCom refuses a second message with the same one. 1 to 32 of `[0-9A-Za-z_-]`.
    pub msgid: Option<String>,
    pub body: OutboundBody,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    touser: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_kfid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msgid: Option<&'a str>,
    msgtype: &'static str,
    #[serde(flatten)]
    body: &'a OutboundBody,
}

#[derive(Deserialize)]
pub(super) struct Accepted {
    #[serde(default)]
    msgid: Option<String>,
}

impl Client {
    /// `kf/send_msg`. Returns the `msgid` of a message that WeCom has accepted, not yet delivered.
    pub async fn send_msg(&self, app: &str, message: &SendMessage) -> Result<String, ApiError> {
        let outgoing = Outgoing {
            touser: Some(&message.touser),
            open_kfid: Some(&message.open_kfid),
            code: None,
            msgid: message.msgid.as_deref(),
            msgtype: message.body.msgtype(),
            body: &message.body,
        };
        self.send(app, SEND, &outgoing).await
    }

    /// `kf/send_msg_on_event`: one text or menu for one code, each code once and within its time (doc 96428).
    pub async fn send_msg_on_event(
        &self,
        app: &str,
        code: &str,
        msgid: Option<&str>,
        body: &OutboundBody,
    ) -> Result<String, ApiError> {
        let outgoing = Outgoing {
            touser: None,
            open_kfid: None,
            code: Some(code),
            msgid,
            msgtype: body.msgtype(),
            body,
        };
        self.send(app, SEND_ON_EVENT, &outgoing).await
    }

    async fn send(&self, app: &str, api: &'static str, outgoing: &Outgoing<'_>) -> Result<String, ApiError> {
        outgoing
            .msgid
            .map_or(Ok(()), check_msgid)
            .and_then(|()| outgoing.body.check())
            .map_err(|reason| ApiError {
                api,
                failure: Failure::Invalid(reason),
            })?;
        let accepted: Accepted = self.post(app, api, outgoing).await?;
        Ok(accepted
            .msgid
            .or_else(|| outgoing.msgid.map(str::to_owned))
            .unwrap_or_default())
    }
}
