//! Marks that shape whole lines: headings, rules, quotes, bullets, code.

use std::ops::Range;

use super::super::edit::Edit;

/// Longest name of a language behind a fence, in bytes; anything longer is text.
const LANGUAGE_BYTES_MAX: usize = 40;

/// `# Title`: the signs before the text. A title over an underline has none.
pub(super) fn heading_start(text: &str, heading: &Range<usize>, inner: usize) -> Option<Edit> {
    text[heading.start..]
        .starts_with('#')
        .then(|| Edit::remove(heading.start..inner.max(heading.start)))
}

/// The closing `##` of a title, or its underline.
pub(super) fn heading_end(text: &str, heading: &Range<usize>, inner_end: usize) -> Option<Edit> {
    let tail = &text[inner_end..heading.end];
    if text[heading.start..].starts_with('#') {
        let signs = tail.trim_end_matches('\n').len();
        return tail
            .contains('#')
            .then(|| Edit::remove(inner_end..inner_end + signs));
    }
    let line_break = inner_end + tail.find('\n')?;
    let end = heading.end - usize::from(tail.len() > 1 && tail.ends_with('\n'));
    (line_break < end).then(|| Edit::remove(line_break..end))
}

/// The lines that hold nothing else, with their break.
pub(super) fn whole_lines(text: &str, range: Range<usize>) -> Edit {
    let end =
        range.end + usize::from(!text[..range.end].ends_with('\n') && text[range.end..].starts_with('\n'));
    Edit::remove(range.start..end)
}

/// `* item` and `+ item` become `- item`; before a number they may be a sum, `+ 50`, and stay, as they do alone.
pub(super) fn bullet(text: &str, item: usize) -> Option<Edit> {
    let at = item
        + text[item..]
            .bytes()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
    let item = text[at..]
        .strip_prefix(['*', '+'])?
        .trim_start_matches([' ', '\t']);
    let first = item
        .chars()
        .next()
        .filter(|first| !first.is_whitespace() && !first.is_ascii_digit());
    first.map(|_| Edit::replace(at..at + 1, "-"))
}

/// `` `code` `` without its backticks, and without the blanks that only keep backticks apart.
pub(super) fn inline_code(text: &str, range: &Range<usize>) -> (Vec<Edit>, Range<usize>) {
    let span = &text[range.clone()];
    let mut width = span.bytes().take_while(|byte| *byte == b'`').count();
    let inner = &span[width..span.len() - width];
    let padded =
        2 < inner.len() && inner.starts_with(' ') && inner.ends_with(' ') && !inner.trim().is_empty();
    width += usize::from(padded);
    let inner = range.start + width..range.end - width;
    let edits = vec![
        Edit::remove(range.start..inner.start),
        Edit::remove(inner.end..range.end),
    ];
    (edits, inner)
}

/// A block of code between fences.
pub(super) struct Fenced {
    range: Range<usize>,
    first: Option<usize>,
    last: usize,
}

impl Fenced {
    pub(super) fn new(range: Range<usize>) -> Fenced {
        Fenced {
            last: range.start,
            range,
            first: None,
        }
    }

    pub(super) fn push(&mut self, piece: Range<usize>) {
        self.first.get_or_insert(piece.start);
        self.last = piece.end;
    }

    /// Removes the lines of the fences; the code between stays with its indentation.
    pub(super) fn close(self, text: &str) -> (Vec<Edit>, Range<usize>) {
        let Range { start, end } = self.range;
        let opening_end = text[start..end].find('\n').map_or(end, |at| start + at + 1);
        let sign = if text[start..].starts_with('~') { '~' } else { '`' };
        let info = text[start..opening_end].trim_start_matches(sign).trim();
        let one_word = !info.contains(char::is_whitespace) || info.contains('=');
        let language = info.len() <= LANGUAGE_BYTES_MAX && info.is_ascii() && one_word;
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let alone = text[line_start..start].trim().is_empty();
        let mut edits = vec![match (language, alone, self.first) {
            // What stands behind a fence and is no name of a language would be lost.
            (false, _, _) => Edit::remove(
                start..start + text[start..].len() - text[start..].trim_start_matches(sign).len(),
            ),
            (true, true, _) => Edit::remove(line_start..opening_end),
            (true, false, first) => Edit::remove(start..first.unwrap_or(opening_end)),
        }];
        let code_start = self.first.unwrap_or(opening_end).max(opening_end).min(end);
        let closing_start = text[..end]
            .rfind('\n')
            .map_or(0, |at| at + 1)
            .max(self.last)
            .max(opening_end);
        let closing =
            text[closing_start.min(end)..end].trim_matches(|sign: char| sign.is_whitespace() || sign == '>');
        let closed = closing.len() >= 3 && closing.chars().all(|each| each == sign);
        if !closed {
            return (edits, code_start..end);
        }
        edits.push(whole_lines(text, closing_start..end));
        (edits, code_start..closing_start.max(code_start))
    }
}

/// Quotes, outermost first.
#[derive(Default)]
pub(super) struct Quotes(Vec<Range<usize>>);

impl Quotes {
    pub(super) fn push(&mut self, range: Range<usize>) {
        self.0.push(range);
    }

    /// The first sign of a quote stands where it starts, the others first on their lines.
    pub(super) fn edits(&self, text: &str) -> Vec<Edit> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let line_of = |place: usize| starts.partition_point(|start| *start <= place) - 1;
        let mut changes = vec![0_isize; starts.len() + 1];
        let mut edits = Vec::new();
        for quote in &self.0 {
            edits.extend(marker(text, quote.start));
            let (first, last) = (line_of(quote.start), line_of(quote.end.max(quote.start + 1) - 1));
            changes[first + 1] += 1;
            changes[last + 1] -= 1;
        }
        let mut depth = 0;
        for (line, start) in starts.iter().enumerate() {
            depth += changes[line];
            let mut at = *start;
            for _ in 0..depth {
                let sign = at
                    + text[at..]
                        .bytes()
                        .take_while(|byte| matches!(byte, b' ' | b'\t'))
                        .count();
                let Some(edit) = marker(text, sign) else { break };
                at = edit.range.end;
                edits.push(edit);
            }
        }
        edits
    }
}

/// `> ` with its blank.
fn marker(text: &str, at: usize) -> Option<Edit> {
    let behind = text[at..].strip_prefix('>')?;
    Some(Edit::remove(at..at + 1 + usize::from(behind.starts_with(' '))))
}
