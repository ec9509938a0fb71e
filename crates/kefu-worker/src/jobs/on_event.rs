//! Saying one text on a code that WeCom gave with an event or a move: good once, so it is tried once (doc 95122).

use kefu_outbound::App;
use kefu_wecom::{ErrorClass, OutboundBody};
use secrecy::{ExposeSecret, SecretString};
use tracing::warn;

use crate::context::Context;

/// One text and the code it is said on.
pub(super) struct OnEvent<'a> {
    /// What it is, for the log.
    pub(super) what: &'static str,
    pub(super) code: &'a SecretString,
    pub(super) msgid: &'a str,
    pub(super) text: &'a str,
}

/// How the one try ended.
pub(super) enum Said {
    Sent,
    /// The code is dead, or the session is not where it is good for.
    Late,
    Failed {
        code: Option<i64>,
        error: String,
    },
    Unknown {
        error: String,
    },
}

pub(super) async fn say(context: &Context, app: &App, on: OnEvent<'_>) -> Said {
    let what = on.what;
    let body = OutboundBody::text(on.text);
    let (wecom, code) = (context.outbound.wecom(), on.code.expose_secret());
    let call = wecom.send_msg_on_event(&app.name, code, Some(on.msgid), &body);
    let Err(error) = context.outbound.once(app, call).await else {
        return Said::Sent;
    };
    warn!(
        error = &error as &dyn std::error::Error,
        "{what} not sent: {error}"
    );
    match (error.class(), error.code()) {
        (ErrorClass::Ambiguous | ErrorClass::Busy, _) => Said::Unknown {
            error: error.to_string(),
        },
        // WeCom documents no code for a dead code, nor for a person who came in this second.
        (ErrorClass::Permanent | ErrorClass::State | ErrorClass::Quota, Some(_)) => Said::Late,
        (_, code) => Said::Failed {
            code,
            error: error.to_string(),
        },
    }
}
