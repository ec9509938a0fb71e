//! Lists of words from the settings, and where such a word stands in a text: capitals and full-width letters do not
//! matter, and letters or digits at its ends do not run on into a longer word.

use std::ops::Range;

/// An English word of so many letters is found in its plural, too; shorter ones would become other words (`hi`, `his`).
const PLURAL_LETTERS_MIN: usize = 4;

/// A comma list, ASCII or Chinese commas, folded once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn parse(text: &str) -> Words {
        Words(
            text.split([',', '，', '、', '\n'])
                .map(|word| fold(word.trim()))
                .filter(|word| !word.is_empty())
                .collect(),
        )
    }

    pub(crate) fn extend(&mut self, more: Words) {
        self.0.extend(more.0);
    }

    /// Those that fit, and the others.
    pub(crate) fn split(self, fits: impl Fn(&str) -> bool) -> (Words, Words) {
        let (fitting, others) = self.0.into_iter().partition(|word| fits(word));
        (Words(fitting), Words(others))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether one of the words stands in a folded text.
    pub(crate) fn hit(&self, folded: &str) -> bool {
        self.iter().any(|word| places(folded, word).next().is_some())
    }

    /// Those that are found in nearly every text: one Chinese character, or at most two letters.
    pub(crate) fn short(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|word| {
            let most = if word.is_ascii() { 2 } else { 1 };
            word.chars().count() <= most && word.chars().all(char::is_alphanumeric)
        })
    }
}

/// Small letters, and ASCII for its full-width forms.
pub(crate) fn fold(text: &str) -> String {
    text.chars().map(narrow).collect::<String>().to_lowercase()
}

/// U+FF01 to U+FF5E are ASCII's printable characters in its order; the wide space is apart.
fn narrow(character: char) -> char {
    match character {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xff01 + 0x21).unwrap_or(character),
        other => other,
    }
}

/// Where `word` stands in `text` as a word of its own. Both are folded.
pub(crate) fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(word)
        .map(|(at, found)| at..at + found.len())
        .filter(move |place| is_whole(text, word, place))
}

fn is_whole(text: &str, word: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].chars().next_back();
    if joined(before, word.chars().next()) {
        return false;
    }
    let last = word.chars().next_back();
    let after = &text[place.end..];
    if !joined(last, after.chars().next()) {
        return true;
    }
    let is_long = PLURAL_LETTERS_MIN <= word.chars().filter(|letter| is_letter(*letter)).count();
    let ended_by = |ending: &str| {
        let rest = after.strip_prefix(ending);
        rest.is_some_and(|rest| !joined(Some('s'), rest.chars().next()))
    };
    is_long && last.is_some_and(is_letter) && (ended_by("s") || ended_by("es"))
}

/// Whether two neighbours belong to one word: letters of scripts that put spaces between words, or digits.
fn joined(one: Option<char>, next: Option<char>) -> bool {
    let (Some(one), Some(next)) = (one, next) else {
        return false;
    };
    (is_letter(one) && is_letter(next)) || (one.is_ascii_digit() && next.is_ascii_digit())
}

/// Latin, Greek or Cyrillic.
pub(crate) fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic()
        || (matches!(character, '\u{c0}'..='\u{52f}') && character.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, text: &str, expected: bool) {
        assert_eq!(
            Words::parse(words).hit(&fold(text)),
            expected,
            "{words} in {text}"
        );
    }

    #[test]
    fn english_words_are_found_whole_and_chinese_ones_anywhere() {
        check("hi", "this is it", false);
        check("hi", "Hi, there", true);
        check("hi", "你好hi你好", true);
        check("his", "this", false);
        check("art", "start a party", false);
        check("eta", "what is the ETA?", true);
        check("eta", "metal", false);
        check("几点", "你们几点关门", true);
        check("vip", "我是VIP3会员", true);
        check("12", "2012年", false);
        check("12", "iphone12多少钱", true);
        check("café", "au café!", true);
        check("cafe", "cafeteria", false);
    }

    #[test]
    fn long_english_words_are_found_in_their_plural() {
        check("refund", "do you give refunds?", true);
        check("refund", "refundable", false);
        check("return", "returns", true);
        check("box", "boxes", false);
        check("dress", "two dresses please", true);
    }

    #[test]
    fn full_width_letters_and_every_comma_are_read() {
        check("refund，退款、退货", "ＲＥＦＵＮＤ", true);
        check("refund，退款、退货", "我要退货", true);
        assert_eq!(fold("ＡＢｃ　１２！"), "abc 12!");
    }

    #[test]
    fn short_words_are_named() {
        let words = Words::parse("人,ok,hi,退款,yes,转人工,?,１");
        assert_eq!(words.short().collect::<Vec<_>>(), ["人", "ok", "hi", "1"]);
    }
}
