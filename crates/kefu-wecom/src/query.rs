//! The signed query of a callback, decoded exactly once.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use crate::crypto::{Keyring, OpenError, Opened, ReceiveIds, Signed};

/// Longest query that is looked at; real ones stay under 1 KiB.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// `msg_signature`, `timestamp`, `nonce`, and for the check of an address `echostr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedQuery {
    pub msg_signature: String,
    pub timestamp: String,
    pub nonce: String,
    /// A `+` stays a `+` here: the text is base64, not a form value.
    pub echostr: Option<String>,
}

/// Why a query is unusable. Names the field, never its value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    #[error("query field {0} is missing or empty")]
    Missing(&'static str),
    #[error("query field {0} stands more than once")]
    Repeated(&'static str),
    #[error("query field {0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error("query of {bytes} bytes is over {QUERY_BYTES_MAX}")]
    TooLong { bytes: usize },
}

/// Why the check of an address fails.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EchoError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl SignedQuery {
    /// Reads the raw query, as it stood behind the `?`. Other fields are ignored.
    pub fn parse(raw_query: &str) -> Result<SignedQuery, QueryError> {
        if raw_query.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong {
                bytes: raw_query.len(),
            });
        }
        let required = |name| field(raw_query, name)?.ok_or(QueryError::Missing(name));
        Ok(SignedQuery {
            msg_signature: required("msg_signature")?,
            timestamp: required("timestamp")?,
            nonce: required("nonce")?,
            echostr: field(raw_query, "echostr")?,
        })
    }

    pub fn signed(&self) -> Signed<'_> {
        Signed {
            msg_signature: &self.msg_signature,
            timestamp: &self.timestamp,
            nonce: &self.nonce,
        }
    }

    /// What `echostr` may have been: as it came, then with the `+` back that a proxy made a space of.
    /// The repair is a guess, so only a good signature over it makes it count.
    pub fn echostr_candidates(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let came = self.echostr.as_deref();
        let repaired = came
            .filter(|text| text.contains(' '))
            .map(|text| text.replace(' ', "+"));
        came.map(Cow::Borrowed)
            .into_iter()
            .chain(repaired.map(Cow::Owned))
    }
}

/// Answers WeCom's check of an address: the plaintext is to be sent back as bare bytes.
pub fn open_echo(
    keyring: &Keyring,
    query: &SignedQuery,
    receive_ids: ReceiveIds<'_>,
) -> Result<Opened, EchoError> {
    let mut refused = EchoError::Query(QueryError::Missing("echostr"));
    for echostr in query.echostr_candidates() {
        match keyring.open(&query.signed(), &echostr, receive_ids) {
            Ok(opened) => return Ok(opened),
            Err(error) => refused = error.into(),
        }
    }
    Err(refused)
}

/// Percent-encodes one value for a query.
pub(crate) fn encode(value: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(value, RESERVED)
}

fn field(raw_query: &str, name: &'static str) -> Result<Option<String>, QueryError> {
    let mut values = raw_query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| percent_decode_str(key).eq(name.bytes()))
        .map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(QueryError::Repeated(name));
    }
    match percent_decode_str(value).decode_utf8() {
        Ok(decoded) if decoded.is_empty() => Ok(None),
        Ok(decoded) => Ok(Some(decoded.into_owned())),
        Err(_) => Err(QueryError::NotUtf8(name)),
    }
}
