//! A copy of a text for the Markdown parser, of the same length, so that a place in it is a place in the text.
//!
//! What must not be read as a mark is replaced there by signs that mean nothing: addresses, masked values, paths,
//! tags. And CommonMark's rule for what stands beside bold was made for words with blanks between them; in
//! `**重点：**内容` a Chinese sign beside the stars is replaced by one that lets the rule see the bold.

use std::ops::Range;

use super::bold::{Role, roles};
use super::run::{Run, is_text, masks_one_of_several_names, runs};
use super::tag::Tag;

/// Deepest quote that is read as one; deeper ones stay text.
const QUOTE_DEPTH_MAX: usize = 16;
/// Shortest underline of a title; a line with less is text, as in a sum.
const UNDERLINE_MIN: usize = 3;

/// The copy, and the runs of `*`, `_` and `~` that may be marks.
pub(super) fn shadow(text: &str, addresses: &[Range<usize>], tags: &[Tag<'_>]) -> (String, Vec<Run>) {
    let mut copy = text.as_bytes().to_vec();
    for range in addresses.iter().chain(tags.iter().map(|tag| &tag.range)) {
        copy[range.clone()].fill(b'a');
    }
    for byte in copy.iter_mut().filter(|byte| **byte == b'<') {
        *byte = b',';
    }
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        read_line(line, &mut copy[line_start..line_start + line.len()]);
        line_start += line.len();
    }
    let runs = marks(text, &mut copy);
    for (run, role) in runs.iter().zip(roles(text, &runs)) {
        match role {
            Role::Opens => make_opening(&mut copy, run),
            Role::Closes => make_closing(&mut copy, run),
            Role::Text => copy[run.start..run.end].fill(b'a'),
            Role::Unknown => {}
        }
    }
    let copy =
        String::from_utf8(copy).expect("whole characters were replaced by whole ones of the same length");
    (copy, runs)
}

/// The runs that may be marks; the others become letters.
fn marks(text: &str, copy: &mut [u8]) -> Vec<Run> {
    let mut found = runs(text, copy);
    let mut masked = masks_one_of_several_names(text, &found).into_iter();
    found.retain(|run| {
        let is_text = masked.next().unwrap_or_default() || is_text(text, run);
        if is_text {
            copy[run.start..run.end].fill(b'a');
        }
        !is_text
    });
    found
}

/// Makes letters of what the parser would take for a quote, a title or an underline and is none.
fn read_line(line: &str, copy: &mut [u8]) {
    let bytes = line.as_bytes();
    let mut depth = 0;
    for at in (0..bytes.len()).filter(|at| bytes[*at] == b'>') {
        depth += 1;
        let quotes = matches!(bytes.get(at + 1), None | Some(b' ' | b'\t' | b'>' | b'\n'));
        if !quotes || QUOTE_DEPTH_MAX < depth || is_comparison(&bytes[at + 1..]) {
            copy[at] = b',';
        }
    }
    let content = line.trim_matches(|sign: char| sign.is_whitespace() || sign == '>');
    let only = |sign: u8| !content.is_empty() && content.bytes().all(|byte| byte == sign);
    let short = content.len() < UNDERLINE_MIN;
    if only(b'#') || short && (only(b'=') || only(b'-')) {
        let start = content.as_ptr() as usize - line.as_ptr() as usize;
        copy[start..start + content.len()].fill(b'a');
    }
}

/// `> 100 元减 10` at the start of a line compares; `> 1. 第一步` quotes.
fn is_comparison(behind: &[u8]) -> bool {
    let blanks = behind.iter().take_while(|byte| **byte == b' ').count();
    let number = &behind[blanks..];
    let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let list = matches!(number.get(digits), Some(b'.' | b')'))
        && !number.get(digits + 1).is_some_and(u8::is_ascii_digit);
    0 < digits && !list
}

/// Lets CommonMark see a run that opens and does not close, whatever Chinese signs stand beside it.
fn make_opening(copy: &mut [u8], run: &Run) {
    stand_in(copy, char_before(copy, run.start), Beside::Point);
    stand_in(copy, char_after(copy, run.end), Beside::Letter);
}

fn make_closing(copy: &mut [u8], run: &Run) {
    stand_in(copy, char_before(copy, run.start), Beside::Letter);
    stand_in(copy, char_after(copy, run.end), Beside::Point);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Letter,
    Point,
}

/// Puts a letter or a sign of punctuation there, of as many bytes. Blanks and the punctuation of ASCII stay: they may
/// shape the line.
fn stand_in(copy: &mut [u8], place: Range<usize>, beside: Beside) {
    let sign = std::str::from_utf8(&copy[place.clone()])
        .ok()
        .and_then(|sign| sign.chars().next());
    let replaceable = |sign: char| sign.is_alphanumeric() || !sign.is_ascii() && !sign.is_whitespace();
    if sign.is_some_and(replaceable) {
        let (letters, points) = (["a", "é", "中", "𠀀"], [",", "·", "，", "𐄀"]);
        let stand_ins = if beside == Beside::Letter { letters } else { points };
        copy[place.clone()].copy_from_slice(stand_ins[place.len() - 1].as_bytes());
    }
}

fn char_before(bytes: &[u8], end: usize) -> Range<usize> {
    let mut start = end;
    while 0 < start {
        start -= 1;
        if is_char_start(bytes[start]) {
            break;
        }
    }
    start..end
}

fn char_after(bytes: &[u8], start: usize) -> Range<usize> {
    let mut end = start.min(bytes.len());
    while end < bytes.len() {
        end += 1;
        if bytes.get(end).is_none_or(|byte| is_char_start(*byte)) {
            break;
        }
    }
    start..end
}

fn is_char_start(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn masked_values_and_addresses_hold_no_marks() {
        let check = |text: &str, expected: &str| {
            let addresses = crate::address::addresses(text);
            assert_eq!(shadow(text, &addresses, &[]).0, expected);
        };
        check("138****5678", "138aaaa5678");
        check("https://a.example/__x__", &"a".repeat(23));
        check("**重点：**内容", "**中点中**，容");
        check("> 100 元", ", 100 元");
    }

    proptest! {
        #[test]
        fn places_are_the_same(text in "[\\PC\n*_~>#=（：“a1王]{0,80}") {
            let (copy, runs) = shadow(&text, &crate::address::addresses(&text), &[]);
            prop_assert_eq!(copy.len(), text.len());
            for run in runs {
                prop_assert!(text[run.start..run.end].bytes().all(|byte| byte == run.sign));
            }
        }
    }
}
