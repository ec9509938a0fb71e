//! Where a sentence ends. A full stop inside an address, a number, a version, an abbreviation or a file name ends none.

/// Signs that end a sentence wherever they stand.
const ENDS: &str = "。！？…⋯｡";
/// Signs that belong to the sentence behind its end.
const CLOSERS: &str = "”’」』）】》〉〕］｝\"')]}";
/// Most closers that are looked past.
const CLOSERS_MAX: usize = 4;
/// Words before a full stop that go on behind it.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "inc", "ltd", "co", "corp", "jr", "sr", "fig",
    "tel", "ext", "dept", "approx", "e.g", "i.e", "a.m", "p.m", "u.s", "ph.d", "vol", "art", "pp", "cf",
    "al", "est", "min", "max", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov",
    "dec", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "ave", "blvd", "rd",
];

/// Whether a sentence ends between the two texts.
pub(super) fn ends_sentence(before: &str, after: &str) -> bool {
    let next = after.chars().next();
    if next
        .is_some_and(|next| ENDS.contains(next) || CLOSERS.contains(next) || matches!(next, '!' | '?' | '.'))
    {
        return false;
    }
    let mut body = before;
    for _ in 0..CLOSERS_MAX {
        body = body.strip_suffix(|sign| CLOSERS.contains(sign)).unwrap_or(body);
    }
    let Some(last) = body.chars().next_back() else {
        return false;
    };
    let blank = next.is_none_or(char::is_whitespace);
    let chinese = next.is_some_and(|next| !next.is_ascii());
    if ENDS.contains(last) {
        return true;
    }
    match last {
        '!' | '?' => blank || chinese,
        '.' => (blank || chinese) && is_full_stop(&body[..body.len() - 1], blank),
        _ => false,
    }
}

/// Whether the point behind `before` ends a sentence.
fn is_full_stop(before: &str, blank: bool) -> bool {
    let start = before
        .rfind(|sign: char| !sign.is_ascii_graphic())
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = before[start..].trim_start_matches(['(', '"', '\'', '[']);
    let chinese = word.is_empty() && before.chars().next_back().is_some_and(char::is_alphanumeric);
    let number = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let initial = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    // Beside Chinese a point may as well go on: `v2.正式版`, `a.example.请看`.
    let plain = blank || word.bytes().all(|byte| byte.is_ascii_alphabetic()) && 1 < word.len();
    if chinese {
        return true;
    }
    if number {
        // `1. ` begins an item, `in 2026. ` ends a sentence.
        let begins_line = before[..before.len() - word.len()]
            .trim_end_matches([' ', '\t'])
            .ends_with('\n');
        return blank && 2 <= word.len() && !begins_line && before.len() != word.len();
    }
    plain && !initial && !ABBREVIATIONS.contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(marked: &str, expected: bool) {
        let (before, after) = marked.split_once('|').unwrap();
        assert_eq!(ends_sentence(before, after), expected, "{marked}");
    }

    #[test]
    fn sentences_end_at_their_signs() {
        check("好。|再", true);
        check("他说：“好。”|再", true);
        check("好！|", true);
        check("Done. |Next", false);
        check("Done.| Next", true);
        check("Really?|真的", true);
        check("好.|再见", true);
        check("It was in 2026.| Then", true);
        check("等等……|再", true);
        check("见 a.example/x.| Next", true);
    }

    #[test]
    fn a_point_within_something_ends_nothing() {
        check("v2.|0", false);
        check("3.|5 元", false);
        check("file.|pdf", false);
        check("e.g.| this", false);
        check("Mr.| Li", false);
        check("J.| Smith", false);
        check("文\n1.| 项", false);
        check("https://a.|example", false);
        check("v2.|正式版", false);
        check("好。|”再", false);
        check("等…|…再", false);
        check("真的？|！再", false);
        check("No.| 5", false);
    }
}
