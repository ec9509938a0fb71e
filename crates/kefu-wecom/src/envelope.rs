//! The encrypted body of a callback, in all its spellings.

use thiserror::Error;

use crate::fields::{self, Field, Form, ParseError};

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

/// The ciphertext that a person hands in: of an envelope, which is read just as the ingress reads it, else the text
/// itself, as in an echostr.
pub fn encrypt_of(input: &[u8]) -> Result<String, EnvelopeError> {
    match fields::form(input)? {
        Form::Xml(_) | Form::Json(_) => Envelope::parse(input).map(|envelope| envelope.encrypt),
        Form::Other(text) => Ok(text.to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<xml><ToUserName>ww1</ToUserName><Encrypt>abc+/=</Encrypt></xml>";
    const JSON: &str = r#"{"tousername":"ww1","encrypt":"abc+/="}"#;

    /// What editors, shells and proxies put around a text.
    const AROUND: [(&str, &str); 8] = [
        ("", ""),
        ("\u{feff}", ""),
        ("\u{feff}\r\n", "\r\n"),
        ("\r\n\u{feff}", "\u{feff}"),
        ("\u{feff}\u{feff}", ""),
        (" \t\n", "\n\n"),
        ("", "\u{feff}\n"),
        ("\x0c", " "),
    ];

    #[test]
    fn whatever_stands_around_it_both_readers_find_the_same() {
        for (before, after) in AROUND {
            for written in [XML, JSON] {
                let input = format!("{before}{written}{after}");
                let envelope = Envelope::parse(input.as_bytes()).unwrap();
                assert_eq!(envelope.encrypt, "abc+/=", "{input:?}");
                assert_eq!(encrypt_of(input.as_bytes()).as_deref(), Ok("abc+/="), "{input:?}");
            }
            let bare = format!("{before}abc+/={after}");
            assert_eq!(encrypt_of(bare.as_bytes()).as_deref(), Ok("abc+/="), "{bare:?}");
            assert!(Envelope::parse(bare.as_bytes()).is_err());
        }
        let lines = XML.replace("><", ">\r\n  <");
        assert_eq!(encrypt_of(lines.as_bytes()).as_deref(), Ok("abc+/="));
    }

    #[test]
    fn what_begins_like_an_envelope_is_read_as_one() {
        let check = |input: &[u8], expected: EnvelopeError| {
            assert_eq!(encrypt_of(input), Err(expected.clone()));
            assert_eq!(Envelope::parse(input), Err(expected));
        };
        check(b"<xml></xml>", EnvelopeError::MissingEncrypt);
        check(b"{}", EnvelopeError::MissingEncrypt);
        check(b" \r\n", ParseError::Empty.into());
        check(b"\xff\xfe<\0x\0", ParseError::NotUtf8.into());
        check(
            br#"{"encrypt":"a","Encrypt":"b"}"#,
            EnvelopeError::Repeated("Encrypt"),
        );
    }
}
