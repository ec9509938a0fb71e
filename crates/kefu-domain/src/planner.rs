//! Splits a reply into the parts that WeCom takes.

mod cut;
mod sentence;

use cut::Cutter;

/// Longest text of one outgoing part, in UTF-8 bytes (doc 96427).
pub const TEXT_PART_BYTES_MAX: usize = 2048;

const ELLIPSIS: &str = "…";
/// Deepest indentation that the first line of a part keeps, in bytes.
const INDENTATION_BYTES_MAX: usize = 64;

/// Splits a reply into parts that WeCom takes: at most `parts_max`, none over 2048 bytes, none empty.
///
/// Cuts at the end of a sentence, else at a line break, a comma, a blank, else between words; never inside an
/// address, a number, a masked value or what a reader sees as one sign, if that fits into a part.
/// What does not fit into the parts is cut off with an ellipsis: the budget is the platform's, not ours.
pub fn plan_text(text: &str, parts_max: u32) -> Vec<String> {
    let text = text.trim();
    let parts_max = usize::try_from(parts_max).unwrap_or(usize::MAX);
    let cutter = Cutter::new(text);
    let mut parts = Vec::new();
    let mut from = 0;
    while from < text.len() && parts.len() < parts_max {
        let rest = &text[from..];
        let parts_after = parts_max - parts.len() - 1;
        if rest.len() <= TEXT_PART_BYTES_MAX {
            parts.push(rest.to_owned());
            break;
        }
        if parts_after == 0 {
            let end = cutter.cut(from, TEXT_PART_BYTES_MAX - ELLIPSIS.len(), parts_after);
            parts.push(format!("{}{ELLIPSIS}", text[from..end].trim_end()));
            break;
        }
        let end = cutter.cut(from, TEXT_PART_BYTES_MAX, parts_after);
        parts.push(text[from..end].trim_end().to_owned());
        from = next_start(text, end);
    }
    parts
}

/// Where the next part starts: behind blanks and empty lines, but before the indentation of its first line.
fn next_start(text: &str, end: usize) -> usize {
    let first = end + text[end..].len() - text[end..].trim_start().len();
    let line_start = text[end..first].rfind('\n').map_or(first, |at| end + at + 1);
    let indentation = &text[line_start..first];
    let kept = indentation.len() <= INDENTATION_BYTES_MAX
        && indentation.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
    if kept { line_start } else { first }
}

#[cfg(test)]
mod tests;
