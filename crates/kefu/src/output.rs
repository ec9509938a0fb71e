//! Results for whoever called: stdout. Everything said on the way goes to stderr.

mod local;
mod table;

use std::io::{self, Write};

use serde::Serialize;

pub(crate) use local::{local, local_or_none};
pub(crate) use table::Table;

/// One line on stdout.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// One JSON object on a line of stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)?;
    Ok(line(text)?)
}

/// Exactly these bytes on stdout.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// One line on stderr, for people.
pub(crate) fn note(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// Where the next page of a list begins: the option that asks for it. On stderr, so that a pipe holds rows alone.
pub(crate) fn more(after: impl std::fmt::Display) -> io::Result<()> {
    note(format_args!("more: --after {after}"))
}

/// A text from outside, made harmless for a terminal: control characters other than line ends and tabs are escaped.
pub(crate) fn printable(text: &str) -> String {
    let is_harmless = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.chars()
        .flat_map(|c| match is_harmless(c) {
            true => vec![c],
            false => c.escape_default().collect(),
        })
        .collect()
}

/// For a POSIX shell: nothing in it means anything.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_escaped() {
        assert_eq!(printable("客服\tok\n"), "客服\tok\n");
        assert_eq!(printable("\u{1b}[2J\0\r"), "\\u{1b}[2J\\u{0}\\r");
    }
}
