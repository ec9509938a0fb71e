//! HTML tags in an answer: the few of formatting go, all others are text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::edit::Edit;

/// Longest tag, attributes included, in bytes.
const TAG_BYTES_MAX: usize = 512;
/// Tags that say nothing but how the text looks. They go in pairs only: one alone is talked about.
const INLINE: &[&str] = &[
    "b", "strong", "i", "em", "u", "s", "del", "ins", "span", "font", "sub", "sup", "small", "big", "mark",
    "kbd", "code", "center",
];
/// The same, and the text behind them stands on a line of its own.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "details",
    "summary",
    "section",
    "article",
    "blockquote",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
];

/// A tag of HTML, known or not.
pub(super) struct Tag<'a> {
    pub(super) range: Range<usize>,
    name: &'a str,
    closes: bool,
}

/// The tags of a text, in their order. Linear in the text.
pub(super) fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut tags: Vec<Tag<'_>> = Vec::new();
    for (at, _) in text.match_indices('<') {
        tags.extend(read(text, at));
    }
    tags
}

fn read(text: &str, at: usize) -> Option<Tag<'_>> {
    let rest = &text[at + 1..];
    let (closes, inner) = match rest.strip_prefix('/') {
        Some(inner) => (true, inner),
        None => (false, rest),
    };
    let length = inner.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let name = &inner[..length];
    let tail = &inner.as_bytes()[length..];
    let end = tail
        .iter()
        .take(TAG_BYTES_MAX)
        .position(|byte| matches!(byte, b'>' | b'<' | b'`' | b'\n'))?;
    let attributes = &tail[..end];
    let plain = matches!(attributes, [] | [b'/'] | [b' ', b'/'] | [b' ']);
    let has_values = attributes.first() == Some(&b' ') && attributes.contains(&b'=');
    let named = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let opens_alone = matches!(attributes, b" open") && !closes;
    if !named || tail[end] != b'>' || !(plain || has_values || opens_alone) {
        return None;
    }
    let inner_start = text.len() - inner.len();
    Some(Tag {
        range: at..inner_start + length + end + 1,
        name,
        closes,
    })
}

/// What becomes of the tags. `in_table` says where a line break would break a row.
pub(super) fn edits(text: &str, tags: &[Tag<'_>], in_table: impl Fn(usize) -> bool) -> Vec<Edit> {
    let names = |closes: bool| -> HashSet<String> {
        tags.iter()
            .filter(|tag| tag.closes == closes)
            .map(|tag| tag.name.to_ascii_lowercase())
            .collect()
    };
    let (opened, closed) = (names(false), names(true));
    tags.iter()
        .filter_map(|tag| {
            let name = tag.name.to_ascii_lowercase();
            let line_ends = text[tag.range.end..]
                .trim_start_matches([' ', '\t'])
                .starts_with(['\n']);
            let line_ends = line_ends || tag.range.end == text.len();
            let with = match name.as_str() {
                "br" if in_table(tag.range.start) => " ",
                "br" if line_ends => "",
                "br" => "\n",
                name if !(opened.contains(name) && closed.contains(name)) => return None,
                "li" if !tag.closes => "- ",
                name if BLOCKS.contains(&name) && tag.closes && !line_ends => "\n",
                name if BLOCKS.contains(&name) || INLINE.contains(&name) => "",
                _ => return None,
            };
            Some(Edit::replace(tag.range.clone(), Cow::Borrowed(with)))
        })
        .collect()
}
