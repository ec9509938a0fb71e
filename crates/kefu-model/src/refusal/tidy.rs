//! A server's words as they may stand in a log: short, in one line, without what is the customer's.

/// Longest piece of a server's words that is kept, in characters.
pub(super) const WORDS_MAX: usize = 200;
/// So long a run of a question in a server's words is taken for the customer's.
const ECHO_MIN: usize = 8;

/// Longest piece that is searched for what is not the server's: what stands behind is not shown.
const SEARCHED_MAX: usize = 4 * WORDS_MAX;

/// In one line, and without control characters.
pub(super) fn flat(words: &str) -> String {
    let flat: String = words
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Long enough that no echo is cut where it could no longer be known.
pub(super) fn searched(words: &str) -> String {
    flat(words).chars().take(SEARCHED_MAX).collect()
}

pub(super) fn cut(words: String) -> String {
    match words.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Replaces every run of so many signs that stands in the question, too.
pub(super) fn without_echo(words: &str, question: &[String]) -> String {
    let signs: Vec<char> = words.chars().collect();
    let mut is_echo = vec![false; signs.len()];
    for start in 0..(signs.len() + 1).saturating_sub(ECHO_MIN) {
        let run: String = signs[start..start + ECHO_MIN].iter().collect();
        if question.iter().any(|line| line.contains(&run)) {
            is_echo[start..start + ECHO_MIN].fill(true);
        }
    }
    let mut kept = String::with_capacity(words.len());
    for (at, sign) in signs.iter().enumerate() {
        match (
            is_echo[at],
            at.checked_sub(1).is_some_and(|before| is_echo[before]),
        ) {
            (false, _) => kept.push(*sign),
            (true, false) => kept.push('…'),
            (true, true) => (),
        }
    }
    kept
}
