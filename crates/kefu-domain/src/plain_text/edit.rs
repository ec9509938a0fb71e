//! Changes of a text, as spans of the original and what stands there instead.

use std::borrow::Cow;
use std::ops::Range;

use super::code::Code;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) with: Cow<'static, str>,
}

impl Edit {
    pub(super) fn remove(range: Range<usize>) -> Edit {
        Edit {
            range,
            with: Cow::Borrowed(""),
        }
    }

    pub(super) fn replace(range: Range<usize>, with: impl Into<Cow<'static, str>>) -> Edit {
        Edit {
            range,
            with: with.into(),
        }
    }
}

/// What is to be done with a text.
pub(super) struct Edits {
    pub(super) edits: Vec<Edit>,
    pub(super) code: Code,
}

/// The text after its changes. Where they overlap, the one that starts first counts.
///
/// A text without changes stays as it is; else runs of empty lines become one, as removed lines leave them behind,
/// but not in code.
pub(super) fn applied(text: &str, Edits { mut edits, code }: Edits) -> String {
    if edits.is_empty() {
        return text.to_owned();
    }
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut output = Output {
        text: String::with_capacity(text.len()),
        empty_lines: 0,
    };
    let mut from = 0;
    for edit in edits {
        if edit.range.start < from {
            from = from.max(edit.range.end);
            continue;
        }
        output.keep(text, from..edit.range.start, &code);
        output.push(&edit.with);
        from = edit.range.end;
    }
    output.keep(text, from..text.len(), &code);
    output.text
}

struct Output {
    text: String,
    /// Line breaks since the last sign that is none.
    empty_lines: usize,
}

impl Output {
    fn keep(&mut self, text: &str, range: Range<usize>, code: &Code) {
        let mut from = range.start;
        for block in code.blocks_within(range.clone()) {
            let (start, end) = (block.start.max(from), block.end.min(range.end));
            self.push(&text[from..start]);
            self.text.push_str(&text[start..end]);
            self.empty_lines = usize::from(text[..end].ends_with('\n') && start < end);
            from = end;
        }
        self.push(&text[from..range.end]);
    }

    /// Appends text outside of code.
    fn push(&mut self, text: &str) {
        for line in text.split_inclusive('\n') {
            let (body, breaks) = match line.strip_suffix('\n') {
                Some(body) => (body, true),
                None => (line, false),
            };
            let blank = body.trim().is_empty();
            if !blank {
                self.empty_lines = 0;
            }
            if !(blank && breaks && 2 <= self.empty_lines) {
                self.text.push_str(line);
                self.empty_lines += usize::from(breaks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_from_the_front_and_empty_lines_become_one() {
        let edits = vec![Edit::replace(4..5, "-"), Edit::remove(0..2), Edit::remove(1..3)];
        let edits = Edits {
            edits,
            code: Code::default(),
        };
        assert_eq!(applied("**a b\n\n\n \nc", edits), " -\n\nc");
    }
}
