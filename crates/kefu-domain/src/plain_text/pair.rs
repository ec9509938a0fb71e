//! Pairs of `*`, `_` and `~` that the parser found: which of them are marks. In doubt the text stays.

use std::ops::Range;

use super::edit::Edit;
use super::people::{is_before_title, is_behind_surname};
use super::run::Run;

/// Names of Python and Node between double underscores; they are words of their own.
const DUNDERS: &[&str] = &[
    "init",
    "main",
    "name",
    "file",
    "dict",
    "doc",
    "all",
    "str",
    "repr",
    "call",
    "new",
    "del",
    "enter",
    "exit",
    "len",
    "iter",
    "next",
    "class",
    "version",
    "getitem",
    "setitem",
    "getattr",
    "setattr",
    "slots",
    "dirname",
    "filename",
    "proto",
    "import",
    "builtins",
    "future",
    "typename",
    "pycache",
    "tests",
    "mocks",
    "snapshots",
    "fixtures",
    "debug",
];
/// What holds two masked names together: `**明和**华`.
const BETWEEN_NAMES: &str = "和与跟及或、，,；;";
/// What a struck text does not hold where no blank or sign stands around it: `周一~~周五，周六~~周日`.
const BETWEEN_RANGES: &str = "，、,；;。和或及";
const OPENING: &str = "（【《〈「『“‘〔［｛([{";
/// Signs that no marked text begins with.
const NEVER_FIRST: &str = "，。、；：！？）】》〉」』”’〕］｝,;:!?)]}";
/// Most signs of nested marks that are looked through.
const NESTED_MAX: usize = 8;
/// Longest word of code between two marks, in bytes, and most signs among which a letter is looked for: pairs may
/// stand in pairs a hundred thousand deep.
const IDENTIFIER_BYTES_MAX: usize = 100;
const WORDS_WITHIN: usize = 200;
/// Signs of ASCII beside a single `*` or `_`, outside and within.
const BEFORE_SINGLE: &str = "\"'([{*_~`";
const BEHIND_SINGLE: &str = ".,;:!?\"')]}*_~`";
const LAST_IN_SINGLE: &str = ".,;:!?%\"'`)]";
const FIRST_IN_SINGLE: &str = "\"'`[";

/// A pair as the parser found it: `signs` of the opening run's end and of the closing run's start, or less.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) open: Range<usize>,
    pub(super) close: Range<usize>,
}

/// Places that count when they stand between marks, each list in its order.
#[derive(Default)]
pub(super) struct Places {
    /// `@` and `://` outside of the links of Markdown.
    pub(super) guarded: Vec<usize>,
    pub(super) line_breaks: Vec<usize>,
}

fn holds(places: &[usize], range: &Range<usize>) -> bool {
    let next = places.partition_point(|place| *place < range.start);
    places.get(next).is_some_and(|place| *place < range.end)
}

/// Removes the marks of the pairs that are ones.
pub(super) fn edits(text: &str, runs: &[Run], pairs: &[Pair], places: &Places) -> Vec<Edit> {
    let run_at = |place: usize| runs.partition_point(|run| run.end <= place);
    let of_runs: Vec<(usize, usize)> = pairs
        .iter()
        .map(|pair| (run_at(pair.open.start), run_at(pair.close.start)))
        .collect();
    let mut kept: Vec<bool> = of_runs
        .iter()
        .map(|(open, close)| match (runs.get(*open), runs.get(*close)) {
            (Some(open), Some(close)) => is_shaped(text, open, close) && is_free(open, close, places),
            _ => false,
        })
        .collect();
    drop_half_used(runs, pairs, &of_runs, &mut kept);
    pairs
        .iter()
        .zip(kept)
        .filter(|(_, kept)| *kept)
        .flat_map(|(pair, _)| [Edit::remove(pair.open.clone()), Edit::remove(pair.close.clone())])
        .collect()
}

/// A run goes whole or not at all: `**99 元*` stays. Dropping one pair may leave the other run half used, and so on.
fn drop_half_used(runs: &[Run], pairs: &[Pair], of_runs: &[(usize, usize)], kept: &mut [bool]) {
    let mut used = vec![0; runs.len()];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); runs.len()];
    for (index, (open, close)) in of_runs.iter().enumerate().filter(|(index, _)| kept[*index]) {
        for run in [*open, *close] {
            used[run] += pairs[index].open.len();
            users[run].push(index);
        }
    }
    let mut half_used: Vec<usize> = (0..runs.len())
        .filter(|run| used[*run] < runs[*run].len())
        .collect();
    while let Some(run) = half_used.pop() {
        for pair in std::mem::take(&mut users[run]) {
            if std::mem::take(&mut kept[pair]) {
                half_used.extend([of_runs[pair].0, of_runs[pair].1]);
            }
        }
    }
}

/// Nothing stands between that is an address, and no line break that a pair would not reach over.
fn is_free(open: &Run, close: &Run, places: &Places) -> bool {
    let inner = open.end..close.start;
    let crosses = holds(&places.line_breaks, &inner) && stays_on_line(open, close);
    !crosses && !holds(&places.guarded, &inner)
}

/// Bold over several lines is believed only where it fills them.
fn stays_on_line(open: &Run, close: &Run) -> bool {
    let blank = |sign: Option<char>| sign.is_none_or(char::is_whitespace);
    open.len() == 1 || !blank(open.before) || !blank(close.after)
}

/// Whether what stands beside two runs lets them be a pair of marks.
pub(super) fn is_shaped(text: &str, open: &Run, close: &Run) -> bool {
    let filled = open.end < close.start;
    let begins = open
        .after
        .is_some_and(|first| !first.is_whitespace() && !NEVER_FIRST.contains(first));
    let ends = close
        .before
        .is_some_and(|last| !last.is_whitespace() && !OPENING.contains(last));
    filled
        && begins
        && ends
        && !masks_two(text, open, close)
        && !joins_names(&text[open.end..close.start])
        && match open.sign {
            b'~' => !is_range(text, open, close),
            b'_' => !is_identifier(text, open, close) && is_single_mark(text, open, close),
            _ => is_single_mark(text, open, close),
        }
}

fn is_letter(sign: Option<char>) -> bool {
    sign.is_some_and(char::is_alphanumeric)
}

/// Two runs in the same place of two like values: `尾号**34和尾号**56`, `张**和李**`, `小明**（男），小红**（女）`,
/// `上海市**区**路**号`, `密码：**验证码：**`.
fn masks_two(text: &str, open: &Run, close: &Run) -> bool {
    let ascii = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric());
    let opening = |sign: Option<char>| sign.is_some_and(|sign| OPENING.contains(sign));
    let colon = |sign: Option<char>| matches!(sign, Some('：' | ':'));
    let named = open.sign == b'*'
        && is_behind_surname(&text[..open.start])
        && is_behind_surname(&text[..close.start]);
    ascii(open.after) && ascii(close.after)
        || ascii(open.before) && ascii(close.before)
        || colon(open.before) && colon(close.before) && (open.sign == b'_' || !is_letter(close.after))
        || open.masks_place() && close.masks_place()
        || opening(open.after) && opening(close.after) && is_letter(open.before) && is_letter(close.before)
        || named
        || open.sign == b'*' && is_before_title(&text[close.end..])
}

fn joins_names(inner: &str) -> bool {
    let mut signs = inner.chars();
    let (name, joint) = (signs.next(), signs.next());
    is_letter(name) && joint.is_some_and(|joint| BETWEEN_NAMES.contains(joint)) && signs.next().is_none()
}

fn is_range(text: &str, open: &Run, close: &Run) -> bool {
    is_letter(open.before)
        && is_letter(close.after)
        && text[open.end..close.start].contains(|sign| BETWEEN_RANGES.contains(sign))
}

/// `__init__`, `_v1_`, `__name__.py`: a word of code.
fn is_identifier(text: &str, open: &Run, close: &Run) -> bool {
    let inner = &text[open.end..close.start];
    let word = inner.len() <= IDENTIFIER_BYTES_MAX
        && inner
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte));
    let joined = matches!(open.before, Some('.' | '@' | '$' | '/' | '\\' | '-'))
        || matches!(close.after, Some('(' | '=' | '/' | '\\' | '-' | '['))
        || close.after == Some('.')
            && text[close.end + 1..].starts_with(|next: char| next.is_ascii_alphanumeric());
    let coded = word && inner.bytes().any(|byte| byte.is_ascii_digit() || byte == b'_');
    word && (joined || coded || DUNDERS.contains(&inner))
}

/// A single sign is as often a footnote, a mask or a smiley: it is a mark only with words within and none outside.
fn is_single_mark(text: &str, open: &Run, close: &Run) -> bool {
    if open.len() != 1 && close.len() != 1 {
        return true;
    }
    let outside = |sign: Option<char>, ascii: &str| {
        sign.is_none_or(|sign| {
            sign.is_whitespace() || ascii.contains(sign) || !sign.is_ascii() && is_point(sign)
        })
    };
    // Marks within marks are few; of many this is none.
    let other = |sign: &char| !matches!(sign, '*' | '_' | '~');
    let inner = &text[open.end..close.start];
    let (first, last) = (
        inner.chars().take(NESTED_MAX).find(other),
        inner.chars().rev().take(NESTED_MAX).find(other),
    );
    let within = |sign: Option<char>, ascii: &str| {
        sign.is_some_and(|sign| sign.is_alphanumeric() || ascii.contains(sign) || is_point(sign))
    };
    // `5 *3* 2` is a sum.
    let words = inner.chars().take(WORDS_WITHIN).any(char::is_alphabetic);
    words
        && outside(open.before, BEFORE_SINGLE)
        && outside(close.after, BEHIND_SINGLE)
        && within(first, FIRST_IN_SINGLE)
        && within(last, LAST_IN_SINGLE)
}

/// Punctuation of Chinese text; smileys are made of other signs.
fn is_point(sign: char) -> bool {
    "，。、；：！？（）【】《》〈〉「」『』“”‘’…—".contains(sign)
}
