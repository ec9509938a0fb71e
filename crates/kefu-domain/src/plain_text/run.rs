//! Runs of `*`, `_` and `~`: which of them can be marks at all, judged by what stands beside them.

use super::people::{is_before_title, is_behind_lone_surname};

/// Longest run of `*` or `_` that can be a mark.
const SIGNS_MAX: usize = 3;
/// Signs that join the pieces of codes, paths and formulas: a run between two of them is one of the pieces.
const JOINTS: &str = "-./\\:+=#&%@^$_";

/// What stands behind the masked pieces of a postal address.
const PLACES: &str = "省市区县镇乡村路街道弄巷里号楼栋幢单室层座院园";

/// A run of one sign, as long as it gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) sign: u8,
    pub(super) before: Option<char>,
    pub(super) after: Option<char>,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// `上海市**区`: stands for a piece of a postal address.
    pub(super) fn masks_place(&self) -> bool {
        let behind_word = self
            .before
            .is_some_and(|sign| !sign.is_ascii() && sign.is_alphanumeric());
        behind_word && self.after.is_some_and(|sign| PLACES.contains(sign))
    }
}

/// The runs of `shadow`, which has the length of `text`; the neighbours are those of `text`.
pub(super) fn runs(text: &str, shadow: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < shadow.len() {
        let sign = shadow[at];
        let mut end = at + 1;
        if matches!(sign, b'*' | b'_' | b'~') {
            while shadow.get(end) == Some(&sign) {
                end += 1;
            }
            let (before, after) = (text[..at].chars().next_back(), text[end..].chars().next());
            runs.push(Run {
                start: at,
                end,
                sign,
                before,
                after,
            });
        }
        at = end;
    }
    runs
}

/// Whether what stands beside the run shows that it is no mark.
pub(super) fn is_text(text: &str, run: &Run) -> bool {
    is_fence_or_rule(text, run).map_or_else(|| is_text_within_line(text, run), |fence| !fence)
}

fn is_text_within_line(text: &str, run: &Run) -> bool {
    let wrong_length = match run.sign {
        b'~' => run.len() != 2,
        _ => SIGNS_MAX < run.len(),
    };
    let ascii = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric());
    let letter = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    let joint = |sign: Option<char>| sign.is_some_and(|sign| JOINTS.contains(sign));
    let between = ascii(run.before) && ascii(run.after) || joint(run.before) && joint(run.after);
    let masks_digits = SIGNS_MAX == run.len()
        && (ascii(run.before) && letter(run.after) || letter(run.before) && ascii(run.after));
    let masks_name = run.sign == b'*'
        && run
            .before
            .is_some_and(|sign| !sign.is_ascii() && sign.is_alphanumeric())
        && is_before_title(&text[run.end..]);
    let mail = run.before == Some('@') || run.after == Some('@');
    wrong_length
        || is_in_name(text, run)
        || is_power(text, run)
        || between
        || mail
        || masks_digits
        || masks_name
        || is_in_path(run)
}

/// `a@b**.example`, `re**.pdf`: a point and a word follow at once.
fn is_in_name(text: &str, run: &Run) -> bool {
    let word = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric());
    word(run.before) && run.after == Some('.') && word(text[run.end..].chars().nth(1))
}

/// `(a+b)**2`, `10**-3`.
fn is_power(text: &str, run: &Run) -> bool {
    let digit = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_digit());
    let signed = run.after == Some('-') && digit(text[run.end..].chars().nth(1));
    matches!(run.before, Some(')' | ']')) && digit(run.after) || digit(run.before) && signed
}

/// `src/**/*.rs`, `/*.log`: a slash on one side, and no word on the other.
fn is_in_path(run: &Run) -> bool {
    let slash = |sign: Option<char>| matches!(sign, Some('/' | '\\'));
    let open =
        |sign: Option<char>| sign.is_none_or(|sign| sign.is_whitespace() || matches!(sign, '/' | '\\' | '.'));
    slash(run.before) && open(run.after) || slash(run.after) && open(run.before)
}

/// A run that fills its line is a rule or a fence; `None` for one among other signs.
fn is_fence_or_rule(text: &str, run: &Run) -> Option<bool> {
    let before = text[..run.start].trim_end_matches([' ', '\t', '>']);
    if run.len() < SIGNS_MAX || !(before.is_empty() || before.ends_with('\n')) {
        return None;
    }
    let line_end = text[run.end..].find('\n').map_or(text.len(), |at| run.end + at);
    let info = text[run.end..line_end].trim();
    match run.sign {
        // A cheerful `~~~ 好的` is no fence: its words would be lost.
        b'~' => Some(
            info.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-_.#".contains(&byte)),
        ),
        // `******` may be a masked value that has the line for itself.
        _ if info.is_empty() => Some(run.len() == SIGNS_MAX),
        _ => None,
    }
}

/// For each run, whether it is one of two or more in its line behind a lone surname: `张**和李**`.
pub(super) fn masks_one_of_several_names(text: &str, runs: &[Run]) -> Vec<bool> {
    let mut masks: Vec<bool> = runs
        .iter()
        .map(|run| run.sign == b'*' && is_behind_lone_surname(&text[..run.start]))
        .collect();
    let mut start = 0;
    while start < runs.len() {
        let same_line = |at: usize| !text[runs[at - 1].end..runs[at].start].contains('\n');
        let mut end = start + 1;
        while end < runs.len() && same_line(end) {
            end += 1;
        }
        if masks[start..end].iter().filter(|masked| **masked).count() < 2 {
            masks[start..end].fill(false);
        }
        start = end;
    }
    masks
}
