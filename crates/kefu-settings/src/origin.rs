//! Where a value was set.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The layer that a value in force comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Reference,
    /// This line of this file, from 1.
    File { name: String, line: usize },
    /// This variable of the environment.
    Variable(String),
    /// The program itself, over everything else.
    Given,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Reference => f.write_str("default"),
            Origin::File { name, line } => write!(f, "{name}, line {line}"),
            Origin::Variable(name) => write!(f, "set by {name}"),
            Origin::Given => f.write_str("given"),
        }
    }
}

/// The line of every key of a text that parses, by its full name; tables included.
pub(crate) fn lines(text: &str) -> Vec<(String, usize)> {
    let mut lines = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        walk(table.get_ref(), "", text, &mut lines);
    }
    lines
}

fn walk(table: &DeTable<'_>, prefix: &str, text: &str, lines: &mut Vec<(String, usize)>) {
    for (name, value) in table {
        let key = crate::node::join(prefix, name.get_ref());
        lines.push((key.clone(), line_of(text, &name.span())));
        if let DeValue::Table(below) = Spanned::get_ref(value) {
            walk(below, &key, text, lines);
        }
    }
}

/// The line, from 1, in which a piece of the text begins.
pub(crate) fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start.min(text.len())).unwrap_or(text);
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_line() {
        let text = "# a\n[queue]\nurl = \"x\"\n\n[apps.default]\ncorp_id = \"y\"\nprevious.token = \"z\"\n";
        let found = lines(text);
        for (key, line) in [
            ("queue", 2),
            ("queue.url", 3),
            ("apps.default", 5),
            ("apps.default.previous.token", 7),
        ] {
            assert!(found.contains(&(key.to_owned(), line)), "{key}: {found:?}");
        }
    }
}
