//! Where a part of a text ends.

use std::ops::Range;

use unicode_segmentation::GraphemeCursor;

use super::TEXT_PART_BYTES_MAX;
use super::sentence::ends_sentence;
use crate::address::addresses;

/// How full parts get on average when cuts may be clean; while the rest fits so, a part may be short.
const PART_BYTES_EASY: usize = TEXT_PART_BYTES_MAX * 3 / 4;
/// A part is never shorter than this for the sake of a clean end, in bytes.
const PART_BYTES_MIN: usize = TEXT_PART_BYTES_MAX / 8;
/// Signs that never begin a part, and such that never end one.
const NEVER_FIRST: &str = "，。、；：！？）】》〉」』”’〕］｝…％℃,;:!?)]}%~～";
const NEVER_LAST: &str = "（【《〈「『“‘〔［｛([{￥¥$€£#＃@";
/// Signs with which values are masked.
const MASKS: &str = "*＊•●×xX";

/// A text with its addresses.
pub(super) struct Cutter<'a> {
    text: &'a str,
    addresses: Vec<Range<usize>>,
}

/// How good a place is, the best first.
#[derive(Clone, Copy)]
enum Place {
    Sentence,
    Line,
    Clause,
    Blank,
    Word,
    /// Within an overlong word, beside its punctuation.
    Piece,
    Sign,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(text: &'a str) -> Cutter<'a> {
        Cutter {
            text,
            addresses: addresses(text),
        }
    }

    /// Where the part that starts at `from` ends, at most `limit` bytes on. More than that is left of the text.
    ///
    /// A clean end that leaves the part half empty is taken while the rest still fits into the parts after this one.
    pub(super) fn cut(&self, from: usize, limit: usize, parts_after: usize) -> usize {
        let end = self.text.floor_char_boundary(from + limit);
        let leaves = |at: usize| self.text.len() - at;
        let fits_after = |at: usize| leaves(at) <= parts_after.saturating_mul(PART_BYTES_EASY);
        let worth = |at: usize| from + limit / 2 <= at || from + PART_BYTES_MIN <= at && fits_after(at);
        for place in [Place::Sentence, Place::Line, Place::Clause, Place::Blank] {
            if let Some(at) = self.last(from, end, limit, place).filter(|at| worth(*at)) {
                return at;
            }
        }
        [Place::Word, Place::Piece, Place::Sign]
            .into_iter()
            .find_map(|place| self.last(from, end, limit, place))
            // One sign that is longer than a part.
            .unwrap_or(end)
    }

    /// The last place of a kind in a part.
    fn last(&self, from: usize, end: usize, limit: usize, place: Place) -> Option<usize> {
        let first = from + self.text[from..end].len() - self.text[from..end].trim_start().len();
        let mut at = end;
        while first < at {
            if self.is_place(at, limit, place) {
                return Some(at);
            }
            at = self.text.floor_char_boundary(at - 1);
        }
        None
    }

    fn is_place(&self, at: usize, limit: usize, place: Place) -> bool {
        let (before, after) = self.text.split_at(at);
        let (Some(last), Some(next)) = (before.chars().next_back(), after.chars().next()) else {
            return true;
        };
        let fits = match place {
            Place::Sentence => next == '\n' && ends_paragraph(after) || ends_sentence(before, after),
            Place::Line => next == '\n' || last == '\n',
            Place::Clause => ends_clause(last, next),
            Place::Blank => {
                (next.is_whitespace() || last.is_whitespace()) && !is_between_groups(before, after)
            }
            Place::Word => is_between_words(last, next, before, after) && !is_masked(before, after),
            Place::Piece => is_between_pieces(last, next) && !is_masked(before, after),
            Place::Sign => true,
        };
        let whole = matches!(place, Place::Sign) || !self.is_in_address(at, limit);
        fits && whole && self.is_between_signs(at)
    }

    /// Whether an address that fits into a part would be cut.
    fn is_in_address(&self, at: usize, limit: usize) -> bool {
        let next = self.addresses.partition_point(|address| address.end <= at);
        self.addresses
            .get(next)
            .is_some_and(|address| address.start < at && address.len() <= limit)
    }

    /// Whether a reader sees one sign end and another begin here.
    fn is_between_signs(&self, at: usize) -> bool {
        GraphemeCursor::new(at, self.text.len(), true)
            .is_boundary(self.text, 0)
            .unwrap_or(true)
    }
}

/// A line break before an empty line, or before an item of a list.
fn ends_paragraph(after: &str) -> bool {
    let next = after[1..].trim_start_matches([' ', '\t']);
    next.starts_with(['\n', '-', '•', '#'])
        || next
            .trim_start_matches(|digit: char| digit.is_ascii_digit())
            .starts_with(['.', '、', ')'])
}

fn ends_clause(last: char, next: char) -> bool {
    let ends = "，；：、".contains(last) || ",;:".contains(last) && next.is_whitespace();
    ends && !NEVER_FIRST.contains(next)
}

/// A blank between the groups of one number, masked or not: `6222 **** **** 1234`.
fn is_between_groups(before: &str, after: &str) -> bool {
    let grouped = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_digit() || sign == '*');
    let one = |text: &str, rest: &str| text.len() - rest.len() <= 1;
    let (left, right) = (before.trim_end_matches(' '), after.trim_start_matches(' '));
    one(before, left)
        && one(after, right)
        && grouped(left.chars().next_back())
        && grouped(right.chars().next())
}

fn is_between_words(last: char, next: char, before: &str, after: &str) -> bool {
    if last.is_whitespace() || next.is_whitespace() {
        return !is_between_groups(before, after);
    }
    let joined = last.is_ascii() && next.is_ascii() || is_word(last) && is_word(next);
    !joined && !NEVER_FIRST.contains(next) && !NEVER_LAST.contains(last)
}

fn is_between_pieces(last: char, next: char) -> bool {
    let inner =
        |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-' | '@' | '+' | '%' | '*');
    let joined = inner(last) && inner(next) || is_word(last) && is_word(next);
    !joined
}

/// A letter of a script that parts its words, or a digit.
fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() && !is_unparted(sign)
}

/// Scripts without blanks between words: Chinese, Japanese, Thai and their neighbours.
fn is_unparted(sign: char) -> bool {
    matches!(sign, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// `张**先生`, `京A·**88`: a run of stars and what touches it.
fn is_masked(before: &str, after: &str) -> bool {
    let star =
        |sign: Option<char>| sign.is_some_and(|sign| MASKS.contains(sign) && !sign.is_ascii_alphabetic());
    let (last, next) = (before.chars().next_back(), after.chars().next());
    star(last) && next.is_some_and(char::is_alphanumeric)
        || star(next) && last.is_some_and(char::is_alphanumeric)
        || star(last) && star(next)
}
