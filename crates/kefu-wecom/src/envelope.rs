//! The encrypted body of a callback, in all its spellings.

use thiserror::Error;

use crate::fields::{self, Field, ParseError};

/// What stands around the ciphertext. Nothing of it is trustworthy before the signature is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The raw text that is signed.
    pub encrypt: String,
    /// Corp id or suite id.
    pub to_user_name: Option<String>,
    /// Only callbacks of an app carry one.
    pub agent_id: Option<String>,
}

/// Why a body is no envelope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("envelope field {0} stands more than once")]
    Repeated(&'static str),
    #[error("envelope has no Encrypt")]
    MissingEncrypt,
}

impl Envelope {
    /// Reads XML, or JSON with either set of key names (`Encrypt` or `encrypt` …).
    pub fn parse(body: &[u8]) -> Result<Envelope, EnvelopeError> {
        let mut fields = fields::parse(body)?;
        Ok(Envelope {
            to_user_name: take(&mut fields, "ToUserName")?,
            agent_id: take(&mut fields, "AgentID")?,
            encrypt: take(&mut fields, "Encrypt")?.ok_or(EnvelopeError::MissingEncrypt)?,
        })
    }
}

/// Two answers to one question would let two readers of one body disagree, so a repetition is refused.
fn take(fields: &mut Vec<Field>, name: &'static str) -> Result<Option<String>, EnvelopeError> {
    let mut found = fields.extract_if(.., |field| field.name.eq_ignore_ascii_case(name));
    let first = found.next();
    if found.next().is_some() {
        return Err(EnvelopeError::Repeated(name));
    }
    Ok(first
        .map(|field| field.text.trim_ascii().to_owned())
        .filter(|text| !text.is_empty()))
}
