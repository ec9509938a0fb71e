//! The tree of named texts that both XML and JSON callbacks become.
//!
//! Everything is bounded, nothing is expanded: no DOCTYPE, no entity but the five of XML itself.

mod json;
mod xml;

use thiserror::Error;

/// Largest text that is parsed. The ingress has a smaller limit of its own.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting; WeCom's own deepest is 6.
pub const DEPTH_MAX: usize = 32;
/// Longest name of a field, in bytes; WeCom's own longest is below 40. A JSON array repeats its name for each
/// element, so that without this limit a body of 64 KiB could grow to hundreds of megabytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Most fields in one text.
pub const FIELDS_MAX: usize = 10_000;

/// One element or JSON member. Siblings may share a name, and keep their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// CDATA as it stands, plain text without the white space around it.
    pub text: String,
    pub children: Vec<Field>,
}

/// Why a text is no field tree. Says where, never what stood there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    #[error("text is empty")]
    Empty,
    #[error("text is over {TEXT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("text is not UTF-8")]
    NotUtf8,
    #[error("text is neither xml nor a json object")]
    UnknownFormat,
    #[error("xml is malformed at byte {byte}")]
    MalformedXml { byte: u64 },
    #[error("json is malformed at line {line}, column {column}")]
    MalformedJson { line: usize, column: usize },
    #[error("document type declarations are refused")]
    Doctype,
    #[error("entities other than those of xml itself are refused")]
    ForeignEntity,
    #[error("nesting is deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("there are more than {FIELDS_MAX} fields")]
    TooManyFields,
    #[error("a field's name is over {NAME_BYTES_MAX} bytes")]
    NameTooLong,
    #[error("there is something behind the end of the root element")]
    TrailingContent,
}

impl Field {
    /// The first child of that name, whatever its case: JSON and XML spell the same names differently.
    pub fn child(&self, name: &str) -> Option<&Field> {
        find(&self.children, name)
    }
}

/// The first field of that name, whatever its case.
pub(crate) fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

/// A text by its first character, without what editors, shells and proxies put around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    Xml(&'a str),
    Json(&'a str),
    Other(&'a str),
}

/// Looks which form it has: byte order marks, blanks and line ends at both ends are nothing that was written.
pub(crate) fn form(bytes: &[u8]) -> Result<Form<'_>, ParseError> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(ParseError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?;
    let text = text.trim_matches(|letter: char| letter == '\u{feff}' || letter.is_ascii_whitespace());
    match text.bytes().next() {
        None => Err(ParseError::Empty),
        Some(b'<') => Ok(Form::Xml(text)),
        Some(b'{') => Ok(Form::Json(text)),
        Some(_) => Ok(Form::Other(text)),
    }
}

/// Reads XML or JSON and returns the children of its root.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Field>, ParseError> {
    match form(bytes)? {
        Form::Xml(text) => xml::parse(text),
        Form::Json(text) => json::parse(text),
        Form::Other(_) => Err(ParseError::UnknownFormat),
    }
}
