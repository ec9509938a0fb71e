//! Which `**` of a line belong together, before the parser reads them.
//!
//! CommonMark pairs from the left: in `尾号**34，**请保持畅通**` it would make the stars of the masked value bold. Here
//! the pairs of a line are those that look most like bold, all together; the parser then sees each run open or close.

use super::pair::is_shaped;
use super::people::{is_behind_labelled_surname, is_behind_lone_surname};
use super::run::Run;

/// How many runs a pair may reach over, itself included.
const REACH: usize = 5;
const COMMAS: &str = "，、,";
const OPENING: &str = "（【《〈「『“‘〔［｛([{￥¥$";
/// What rather ends a bold text than stands before one.
const ENDS_WITHIN: &str = "：！？。）】》〉」』”’〕］｝:!?)]}%";
const SENTENCE_ENDS: &str = "。！？；";

/// What a run does for its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Opens,
    Closes,
    /// Has no partner.
    Text,
    /// Left to the parser.
    Unknown,
}

/// The roles of all runs, in their order. Linear in the text.
pub(super) fn roles(text: &str, runs: &[Run]) -> Vec<Role> {
    let mut roles = vec![Role::Unknown; runs.len()];
    let bold: Vec<usize> = (0..runs.len())
        .filter(|at| runs[*at].sign == b'*' && 2 <= runs[*at].len())
        .collect();
    let mut start = 0;
    while start < bold.len() {
        let mut end = start + 1;
        while end < bold.len() && !text[runs[bold[end - 1]].end..runs[bold[end]].start].contains('\n') {
            end += 1;
        }
        let line: Vec<&Run> = bold[start..end].iter().map(|at| &runs[*at]).collect();
        for (at, role) in bold[start..end].iter().zip(line_roles(text, &line)) {
            roles[*at] = role;
        }
        start = end;
    }
    roles
}

/// The pairs with the best sum of likeness, runs without a partner included.
fn line_roles(text: &str, line: &[&Run]) -> Vec<Role> {
    let alone: Vec<i32> = line.iter().map(|run| likeness_alone(text, run)).collect();
    let mut best = vec![0];
    let mut partner: Vec<Option<usize>> = Vec::new();
    for close in 0..line.len() {
        let (mut top, mut choice) = (best[close] + alone[close], None);
        let mut between = 0;
        for open in (close.saturating_sub(REACH - 1)..close).rev() {
            if let Some(likeness) = likeness(text, line[open], line[close]) {
                let sum = best[open] + likeness + between;
                if top < sum {
                    (top, choice) = (sum, Some(open));
                }
            }
            between += alone[open];
        }
        best.push(top);
        partner.push(choice);
    }
    // At the edge of its line a run may have its partner on another one.
    let blank = |sign: Option<char>| sign.is_none_or(char::is_whitespace);
    let mut roles: Vec<Role> = line
        .iter()
        .map(|run| {
            if blank(run.before) || blank(run.after) {
                Role::Unknown
            } else {
                Role::Text
            }
        })
        .collect();
    let mut end = line.len();
    while 0 < end {
        end = match partner[end - 1] {
            Some(open) => {
                roles[open + 1..end - 1].fill(Role::Text);
                (roles[open], roles[end - 1]) = (Role::Opens, Role::Closes);
                open
            }
            None => end - 1,
        };
    }
    roles
}

/// A run without a partner costs, unless it looks like a mask.
fn likeness_alone(text: &str, run: &Run) -> i32 {
    let letter = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    match (masks(text, run), letter(run.before), letter(run.after)) {
        (true, _, _) => 0,
        (_, true, true) => -1,
        _ => -2,
    }
}

/// How much two runs look like bold; `None` when they do not.
fn likeness(text: &str, open: &Run, close: &Run) -> Option<i32> {
    let inner = &text[open.end..close.start];
    let (opens_masked, closes_masked) = (masks(text, open), masks(text, close));
    if open.len() != close.len()
        || opens_masked && closes_masked
        || inner.bytes().filter(|byte| *byte == b'`').count() % 2 == 1
        || !is_shaped(text, open, close)
    {
        return None;
    }
    let count = |signs: &str| inner.chars().filter(|sign| signs.contains(*sign)).count();
    let commas = count(COMMAS);
    // Longer runs are masks for sure: `**138****5678**`.
    let stars = inner
        .split(|sign| sign != '*')
        .any(|run| (1..=3).contains(&run.len()));
    // `**首先，**` is bold; what ends in a comma otherwise is rather the text between two of them.
    let first_words = open.before.is_none_or(|sign| !sign.is_alphanumeric()) && commas == 1 && !stars;
    let ends_in_comma = inner.ends_with(|sign| COMMAS.contains(sign)) && !first_words;
    let sentences = inner
        .trim_end_matches(|sign| SENTENCE_ENDS.contains(sign))
        .contains(|sign| SENTENCE_ENDS.contains(sign));
    let likeness = side(open.before, ENDS_WITHIN, open.after, OPENING)
        + side(close.after, OPENING, close.before, ENDS_WITHIN)
        - 2 * i32::from(opens_masked)
        - 2 * i32::from(closes_masked)
        - if ends_in_comma {
            3
        } else {
            i32::from(1 < commas) + i32::from(0 < commas && !first_words)
        }
        - 2 * i32::from(stars)
        - 2 * i32::from(sentences)
        - 4 * i32::from(inner.contains('|'));
    (0 < likeness).then_some(likeness)
}

/// How much one side of a pair looks like the edge of bold: by what stands outside, and by what stands within.
fn side(outside: Option<char>, rather_within: &str, inside: Option<char>, fitting: &str) -> i32 {
    let edge = match outside {
        Some(sign) if sign.is_ascii_alphanumeric() => 1,
        Some(sign) if sign.is_alphanumeric() || rather_within.contains(sign) => 2,
        _ => 3,
    };
    edge + i32::from(inside.is_some_and(|sign| fitting.contains(sign)))
}

/// `尾号**34`, `密码：**`, `张**`, `上海市**区`: as likely a mask as a mark.
fn masks(text: &str, run: &Run) -> bool {
    let foreign_letter = |sign: char| !sign.is_ascii() && sign.is_alphanumeric();
    let number =
        run.before.is_some_and(foreign_letter) && run.after.is_some_and(|sign| sign.is_ascii_digit());
    let before = &text[..run.start];
    let value = matches!(run.before, Some('：' | ':')) && !run.after.is_some_and(char::is_alphanumeric);
    number
        || value
        || run.masks_place()
        || is_behind_lone_surname(before)
        || is_behind_labelled_surname(before)
}
