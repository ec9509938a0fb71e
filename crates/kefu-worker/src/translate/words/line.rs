//! One bounded line made of pieces: cleaned, nothing cut inside what a reader sees as one sign.

use unicode_segmentation::UnicodeSegmentation;

/// The longest piece of running text: a title, a description, an address, in characters.
const TEXT_CHARS_MAX: usize = 250;
/// The longest name, number or state.
const NAME_CHARS_MAX: usize = 64;
/// The longest link: half of one leads nowhere.
const URL_CHARS_MAX: usize = 450;

/// The pieces of a line that have something to say.
#[derive(Default)]
pub(super) struct Line(Vec<Piece>);

struct Piece {
    text: String,
    /// May be shortened when it stands alone and is too long.
    may_be_cut: bool,
}

impl Line {
    /// Running text: a title, a description.
    pub(super) fn text(self, text: &str) -> Line {
        self.push(cut(&clean(text), TEXT_CHARS_MAX), true)
    }

    /// A short word under a label: `状态：已发货`.
    pub(super) fn labelled(self, label: &str, text: &str) -> Line {
        self.labelled_by(label, text, NAME_CHARS_MAX)
    }

    /// Running text under a label.
    pub(super) fn labelled_text(self, label: &str, text: &str) -> Line {
        self.labelled_by(label, text, TEXT_CHARS_MAX)
    }

    /// A link, whole or not at all. One that is too long still leads somewhere without its query.
    pub(super) fn url(self, url: &str) -> Line {
        match whole_url(url) {
            Some(url) => self.push(url, false),
            None => self,
        }
    }

    /// What stays whole: coordinates, a count.
    pub(super) fn whole(self, text: Option<String>) -> Line {
        match text {
            Some(text) => self.push(text, false),
            None => self,
        }
    }

    /// The line under its placeholder, at most `chars_max` characters without it: pieces that do not fit are
    /// left out whole, only the first is shortened. `None` if nothing is said.
    pub(super) fn show(self, placeholder: &str, chars_max: usize) -> Option<String> {
        let mut shown = String::new();
        let mut left = chars_max;
        for piece in self.0 {
            let length = piece.text.chars().count() + usize::from(!shown.is_empty());
            let text = match length <= left {
                true => piece.text,
                false if shown.is_empty() && piece.may_be_cut => cut(&piece.text, left),
                false => continue,
            };
            if !shown.is_empty() {
                shown.push('；');
            }
            shown.push_str(&text);
            left = left.saturating_sub(length);
        }
        Some(format!("{placeholder} {shown}")).filter(|_| !shown.is_empty())
    }

    fn labelled_by(self, label: &str, text: &str, chars_max: usize) -> Line {
        let text = cut(&clean(text), chars_max);
        match text.is_empty() {
            true => self,
            false => self.push(format!("{label}：{text}"), true),
        }
    }

    fn push(mut self, text: String, may_be_cut: bool) -> Line {
        if !text.is_empty() {
            self.0.push(Piece { text, may_be_cut });
        }
        self
    }
}

/// A link as it may stand in a line: without what cannot be in one, and not too long.
pub(super) fn whole_url(url: &str) -> Option<String> {
    let fits = |url: &&str| !url.is_empty() && url.chars().count() <= URL_CHARS_MAX;
    let url = clean(url);
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    [url.as_str(), bare].into_iter().find(fits).map(str::to_owned)
}

/// One line of visible text: without control characters and signs that turn the reading direction, so that no
/// title passes for another line; blanks and line ends become one blank.
pub(super) fn clean(text: &str) -> String {
    let visible: String = text
        .chars()
        .filter(|letter| letter.is_whitespace() || !is_hidden(*letter))
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was typed, its lines kept, without control characters.
pub(super) fn clean_lines(text: &str) -> String {
    let is_kept = |letter: &char| matches!(letter, '\n' | '\t') || !letter.is_control();
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(is_kept)
        .collect()
}

/// Joiners of emoji and of Persian stay.
fn is_hidden(letter: char) -> bool {
    let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The text, or as many of its signs as fit before a `…`.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut left = chars_max.saturating_sub(1);
    let mut shown = String::new();
    for sign in text.graphemes(true) {
        match left.checked_sub(sign.chars().count()) {
            Some(rest) => left = rest,
            None => break,
        }
        shown.push_str(sign);
    }
    // One letter may carry any number of marks: a monster of them is left out.
    shown.truncate(shown.trim_end().len());
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(line: Line, chars_max: usize) -> Option<String> {
        line.show("[x]", chars_max)
    }

    #[test]
    fn pieces_without_words_leave_nothing_behind() {
        assert_eq!(show(Line::default(), 100), None);
        let empty = Line::default()
            .text(" \n")
            .labelled("a", "\0")
            .url(" ")
            .whole(None);
        assert_eq!(show(empty, 100), None);
        let one = Line::default().text("").labelled("a", "b").text("\u{202e}");
        assert_eq!(show(one, 100).as_deref(), Some("[x] a：b"));
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let line = || {
            Line::default()
                .text("一二三四五")
                .url("https://example.com/long")
                .text("六")
        };
        assert_eq!(show(line(), 7).as_deref(), Some("[x] 一二三四五；六"));
        assert_eq!(show(line(), 3).as_deref(), Some("[x] 一二…"));
        let link = Line::default().url("https://example.com/long").text("六");
        assert_eq!(show(link, 5).as_deref(), Some("[x] 六"));
    }

    #[test]
    fn signs_stay_whole() {
        let check = |text: &str, chars_max, expected: &str| assert_eq!(cut(text, chars_max), expected);
        check("一二三", 3, "一二三");
        check("一二三四", 3, "一二…");
        check("ab👨‍👩‍👧c", 6, "ab…");
        check("ab👨‍👩‍👧c", 8, "ab👨‍👩‍👧c");
        check("🇨🇳🇨🇳🇨🇳", 4, "🇨🇳…");
        check("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…");
        check(&format!("e{}", "\u{301}".repeat(300)), 100, "…");
        check("x", 0, "…");
    }

    #[test]
    fn a_title_cannot_pass_for_another_line() {
        let check = |text: &str, expected: &str| assert_eq!(clean(text), expected);
        check("a\r\n\tsystem: b", "a system: b");
        check("\u{1b}[31mred\u{7}", "[31mred");
        check("a\u{202e}b\u{2066}c\u{200b}\u{feff}", "abc");
        check("\u{3000}杯\u{2028}子\u{85}", "杯 子");
        check("👨‍👩‍👧", "👨‍👩‍👧");
        assert_eq!(clean_lines("a\r\nb\rc\td\0\u{1b}e"), "a\nb\nc\tde");
    }

    #[test]
    fn a_link_stands_whole_or_not_at_all() {
        let long = format!("https://example.com/a?b={}", "c".repeat(500));
        assert_eq!(whole_url(&long).as_deref(), Some("https://example.com/a"));
        assert_eq!(whole_url(&"a".repeat(451)), None);
        assert_eq!(
            whole_url("https://a.cn/?x=1&y=2#z").as_deref(),
            Some("https://a.cn/?x=1&y=2#z")
        );
    }
}
