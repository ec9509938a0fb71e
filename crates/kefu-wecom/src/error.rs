//! How a call to WeCom fails, and what that means for the next step.

use std::collections::BTreeSet;

use thiserror::Error;
use tracing::error;

use crate::codes;

/// Longest `errmsg` that is kept.
const MESSAGE_CHARS_MAX: usize = 512;

pub(crate) const GETTOKEN: &str = "gettoken";

/// A call that did not succeed. Printable anywhere: it holds no token, secret or customer text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{api} {failure}")]
pub struct ApiError {
    /// Path behind `/cgi-bin/`; `gettoken` when no access token could be had for the call itself.
    pub api: &'static str,
    pub failure: Failure,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// WeCom understood and refused. `message` carries its hint for support and our address.
    #[error("was refused with {code} ({}): {message}", meaning(*code))]
    Refused { code: i64, message: String },
    #[error("could not connect: {0}")]
    NotConnected(String),
    #[error("got no complete answer in time")]
    TimedOut,
    #[error("was cut off: {0}")]
    Cut(String),
    #[error("was answered with HTTP status {0}")]
    Status(u16),
    #[error("was answered with more than {0} bytes")]
    TooLarge(usize),
    #[error("was answered unreadably: {0}")]
    Unreadable(&'static str),
    #[error("was not called: no app of that name has credentials")]
    UnknownApp,
    #[error("was not called: {0}")]
    Invalid(String),
}

/// What a failure asks of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// WeCom is busy: the same call again, a little later.
    Busy,
    /// The access token was refused, and a fresh one too.
    Token,
    /// Called too often: pause this API for a while.
    Rate,
    /// The customer's 48 h or 5 messages are used up: wait for the customer.
    Quota,
    /// The session is in another state than thought: read it again.
    State,
    /// A person has to change something in WeCom's console or in our settings.
    Configuration,
    /// The call itself is wrong and stays so.
    Permanent,
    /// WeCom was not reached: nothing has happened.
    Network,
    /// Nobody knows whether it happened.
    Ambiguous,
}

impl ErrorClass {
    /// Lower-case name, for metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Busy => "busy",
            ErrorClass::Token => "token",
            ErrorClass::Rate => "rate",
            ErrorClass::Quota => "quota",
            ErrorClass::State => "state",
            ErrorClass::Configuration => "configuration",
            ErrorClass::Permanent => "permanent",
            ErrorClass::Network => "network",
            ErrorClass::Ambiguous => "ambiguous",
        }
    }
}

impl ApiError {
    /// A refusal in WeCom's own terms. Control characters are dropped from the message.
    pub fn refused(api: &'static str, code: i64, message: &str) -> ApiError {
        let message = message
            .chars()
            .filter(|c| !c.is_control())
            .take(MESSAGE_CHARS_MAX)
            .collect();
        ApiError {
            api,
            failure: Failure::Refused { code, message },
        }
    }

    pub fn class(&self) -> ErrorClass {
        match &self.failure {
            // A half-read request may have been refused with any code, and stays half-read (doc 90313).
            Failure::Refused { message, .. } if is_malformed_request(message) => ErrorClass::Permanent,
            Failure::Refused { code, .. } => {
                codes::find(*code).map_or(ErrorClass::Permanent, |known| known.class)
            }
            Failure::NotConnected(_) => ErrorClass::Network,
            Failure::Status(429) => ErrorClass::Rate,
            Failure::Status(300..=407 | 409..=499) => ErrorClass::Configuration,
            // Fetching a token has no effect that could be repeated.
            _ if self.api == GETTOKEN => ErrorClass::Network,
            Failure::TimedOut
            | Failure::Cut(_)
            | Failure::Status(_)
            | Failure::TooLarge(_)
            | Failure::Unreadable(_) => ErrorClass::Ambiguous,
            Failure::UnknownApp => ErrorClass::Configuration,
            Failure::Invalid(_) => ErrorClass::Permanent,
        }
    }

    /// WeCom's code, if it answered with one.
    pub fn code(&self) -> Option<i64> {
        match self.failure {
            Failure::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the call itself was never made, since no access token could be had for it.
    pub fn is_of_token(&self) -> bool {
        self.api == GETTOKEN
    }

    /// Whether the call may have had its effect: it is to be repeated with the same `msgid`.
    ///
    /// "Busy" belongs here, because it does not say how far WeCom came.
    pub fn is_ambiguous(&self) -> bool {
        self.api != GETTOKEN && matches!(self.class(), ErrorClass::Ambiguous | ErrorClass::Busy)
    }

    /// Whether the refusal means "this `msgid` was used before", hence that an earlier call went through.
    ///
    /// WeCom documents no code for it. Codes in the settings count always; on a resend also any other
    /// code without a known meaning that names the msgid, which is logged so that somebody lists it.
    pub fn is_msgid_repeated(&self, codes: &RepeatedCodes, on_resend: bool) -> bool {
        let Failure::Refused { code, message } = &self.failure else {
            return false;
        };
        if codes.0.contains(code) {
            return true;
        }
        let repeated = on_resend && self.class() == ErrorClass::Permanent && names_msgid(message);
        if repeated {
            error!(
                wecom.api = self.api,
                wecom.code = code,
                wecom.message = message,
                "taking code {code} for a repeated msgid; list it in wecom.msgid_repeated_codes if that is right",
            );
        }
        repeated
    }
}

/// The codes of `wecom.msgid_repeated_codes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepeatedCodes(BTreeSet<i64>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{item:?} is not an error code")]
pub struct InvalidRepeatedCodes {
    item: String,
}

impl RepeatedCodes {
    /// Reads numbers separated by commas; blank means none.
    pub fn parse(listed: &str) -> Result<RepeatedCodes, InvalidRepeatedCodes> {
        let items = listed.split(',').map(str::trim).filter(|item| !item.is_empty());
        let parse = |item: &str| match item.parse() {
            Ok(codes::OK) | Err(_) => Err(InvalidRepeatedCodes {
                item: item.to_owned(),
            }),
            Ok(code) => Ok(code),
        };
        Ok(RepeatedCodes(items.map(parse).collect::<Result<_, _>>()?))
    }
}

/// WeCom's way to say that it could read a request only in part; always a mistake of ours.
pub(crate) fn is_malformed_request(message: &str) -> bool {
    message.to_ascii_lowercase().contains("wrong json format")
}

fn names_msgid(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["msgid", "msg_id", "msg id"]
        .iter()
        .any(|name| message.contains(name))
}

fn meaning(code: i64) -> &'static str {
    codes::find(code).map_or("unlisted", |known| known.meaning)
}
