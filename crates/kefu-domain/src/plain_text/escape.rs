//! Backslashes before signs of Markdown: `138\*\*\*\*5678` is written by careful models, `C:\_tmp` by nobody for Markdown.

use super::edit::Edit;

/// Signs before which a backslash goes.
const ESCAPED: &[u8] = b"*_~#";

/// Removes backslashes from words in which each of them escapes a sign of Markdown.
pub(super) fn edits(text: &str) -> Vec<Edit> {
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let start = word_start(bytes, at + offset, at);
        let end = word_end(bytes, at + offset);
        let places: Vec<usize> = (start..end).filter(|place| bytes[*place] == b'\\').collect();
        if is_escaped(&bytes[start..end]) {
            edits.extend(places.into_iter().map(|place| Edit::remove(place..place + 1)));
        }
        at = end;
    }
    edits
}

/// Paths, patterns and globs hold other backslashes, or begin with one before a file ending.
fn is_escaped(word: &[u8]) -> bool {
    let all = (0..word.len())
        .filter(|at| word[*at] == b'\\')
        .all(|at| word.get(at + 1).is_some_and(|next| ESCAPED.contains(next)));
    let drive = word.windows(2).any(|pair| matches!(pair, [b':', b'\\']));
    let glob = word
        .windows(3)
        .any(|triple| triple[..2] == *b"\\*" && matches!(triple[2], b'.' | b'+' | b'?' | b'$' | b')'));
    let pattern = word
        .iter()
        .any(|byte| matches!(byte, b'^' | b'$' | b'|' | b'[' | b'{'));
    all && !drive && !glob && !pattern
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'`'
}

fn word_start(bytes: &[u8], at: usize, from: usize) -> usize {
    at - bytes[from..at]
        .iter()
        .rev()
        .take_while(|byte| is_word_byte(**byte))
        .count()
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|byte| is_word_byte(**byte)).count()
}
