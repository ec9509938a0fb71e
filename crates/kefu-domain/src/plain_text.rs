//! Plain text from what a model writes: thoughts and Markdown go, everything else stays byte for byte.
//!
//! A kept parser finds the marks; they are cut out of the original text, which is never rendered anew. The parser
//! reads a copy of the same length (`shadow.rs`) in which addresses and masked values hold no marks at all.
//! What is removed is listed in `docs/models.md`.

mod bold;
mod code;
mod edit;
mod escape;
mod marks;
mod pair;
mod people;
mod run;
mod shadow;
mod table;
mod tag;

use std::borrow::Cow;

use crate::reasoning::{ThoughtMarks, without_thoughts};

/// Turns a model's answer into what a chat bubble shows.
///
/// Empty when nothing is left; the caller then says its fallback text.
pub fn plain_text(answer: &str, thoughts: &ThoughtMarks) -> String {
    let text = printable(answer);
    let said = without_thoughts(&text, thoughts);
    let edited = edit::applied(&said, marks::edits(&said));
    edited.trim().to_owned()
}

/// Without signs that a chat shows as nothing or as something else: control characters but line break and tab,
/// switches of the writing direction, byte order marks. Joiners and variation selectors stay, emoji need them.
fn printable(text: &str) -> Cow<'_, str> {
    let unwanted = |sign: char| {
        (sign.is_control() && !matches!(sign, '\n' | '\t'))
            || matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(unwanted) {
        return Cow::Borrowed(text);
    }
    let text = text
        .replace("\r\n", "\n")
        .replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    Cow::Owned(text.replace(unwanted, ""))
}

#[cfg(test)]
mod tests;
