//! Cuts thoughts and calls of tools out of an answer, in one pass over its marks.

use super::bare::{behind_bare_thoughts, is_call};
use super::code::ticks;
use super::harmony::{CHANNEL, skip_channel};
use super::marks::{Kind, Pair, ThoughtMarks, is_name_byte};
use super::template::{Turn, starts_with, turn_at, without_marks_at_ends};

/// Longest tag that is read, attributes included, in bytes.
const TAG_BYTES_MAX: usize = 1024;
/// Words in the summary or the attributes of `<details>` that make it a thought.
const DETAILS_OF_THOUGHT: &[&str] = &[
    "thinking",
    "thought",
    "reasoning",
    "tool_calls",
    "chain of thought",
    "思考",
    "推理",
    "思维",
];
const SUMMARY: &str = "<summary";

/// `answer` without thoughts, calls of tools and left-over marks of chat templates. Linear in the answer.
///
/// A thought that is never closed takes the rest. A closing mark alone takes what stands before it, as some servers
/// swallow the opening one. A mark in code is text.
pub(crate) fn without_thoughts(answer: &str, marks: &ThoughtMarks) -> String {
    let answer = behind_bare_thoughts(answer);
    let said = Scan::new(answer, marks).said();
    let said = without_marks_at_ends(&said);
    if is_call(said) {
        String::new()
    } else {
        said.to_owned()
    }
}

/// A mark of the text.
struct Mark {
    start: usize,
    end: usize,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Open(usize),
    Close(usize),
    /// `<think/>`: holds nothing.
    Empty,
    /// `<details>` of an answer.
    PlainDetails,
    Channel,
    Turn(Turn),
}

struct Scan<'a> {
    text: &'a str,
    pairs: &'a [Pair],
    marks: Vec<Mark>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, marks: &'a ThoughtMarks) -> Scan<'a> {
        let mut scan = Scan {
            text,
            pairs: marks.pairs(),
            marks: Vec::new(),
        };
        let firsts = firsts(scan.pairs);
        let mut from = 0;
        for (at, sign) in text.char_indices() {
            if from <= at
                && (sign == '<' || firsts.contains(&sign))
                && let Some(mark) = scan.mark_at(at)
            {
                from = mark.end;
                scan.marks.push(mark);
            }
        }
        scan
    }

    fn said(&self) -> String {
        let ticks = ticks(self.text);
        let (mut said, mut from, mut tick, mut mark) = (String::new(), 0, 0, 0);
        loop {
            while ticks.get(tick).is_some_and(|next| next.start < from) {
                tick += 1;
            }
            while self.marks.get(mark).is_some_and(|next| next.start < from) {
                mark += 1;
            }
            let Some(next) = self.marks.get(mark) else {
                said.push_str(&self.text[from..]);
                return said;
            };
            if let Some(code) = ticks.get(tick).filter(|code| code.start < next.start) {
                let end = code.code_end.unwrap_or(code.end);
                said.push_str(&self.text[from..end]);
                from = end;
                continue;
            }
            said.push_str(&self.text[from..next.start]);
            from = self.after(mark, &mut said);
        }
    }

    /// Where the text goes on behind a mark.
    fn after(&self, index: usize, said: &mut String) -> usize {
        let mark = &self.marks[index];
        match mark.what {
            What::Open(pair) => self.end_of_thought(index, pair),
            What::Close(pair) => {
                match self.pairs.get(pair) {
                    Some(pair) if pair.swallowed => said.clear(),
                    Some(_) => {}
                    None => said.push_str(&self.text[mark.start..mark.end]),
                }
                mark.end
            }
            What::PlainDetails => {
                said.push_str(&self.text[mark.start..mark.end]);
                mark.end
            }
            What::Empty | What::Turn(Turn::Ours) => mark.end,
            What::Channel => skip_channel(self.text, mark.end),
            What::Turn(Turn::Others) => self.marks[index + 1..]
                .iter()
                .find(|later| later.what == What::Turn(Turn::Ours) && self.is_speaker(later))
                .map_or(self.text.len(), |ours| ours.start),
        }
    }

    /// Whether a mark of a template says who speaks, unlike one that ends a turn.
    fn is_speaker(&self, mark: &Mark) -> bool {
        let mark = self.text[mark.start..mark.end].to_ascii_lowercase();
        mark.contains("start") || mark.contains("assistant")
    }

    /// Nested thoughts of one name end together; where they do not come out even, the last closing mark counts.
    fn end_of_thought(&self, open: usize, pair: usize) -> usize {
        let (mut depth, mut last) = (1_usize, None);
        for mark in &self.marks[open + 1..] {
            let opens =
                mark.what == What::Open(pair) || mark.what == What::PlainDetails && pair == self.pairs.len();
            if opens && !self.is_quoted(mark) {
                depth += 1;
            } else if mark.what == What::Close(pair) && !self.is_quoted(mark) {
                depth -= 1;
                last = Some(mark.end);
            }
            if depth == 0 {
                break;
            }
        }
        last.unwrap_or(self.text.len())
    }

    /// A mark between backticks is talked about, also within a thought.
    fn is_quoted(&self, mark: &Mark) -> bool {
        self.text[..mark.start].ends_with('`') && self.text[mark.end..].starts_with('`')
    }

    fn mark_at(&self, at: usize) -> Option<Mark> {
        let mark = |end: usize, what: What| Some(Mark { start: at, end, what });
        let rest = &self.text[at..];
        if starts_with(rest, CHANNEL) {
            return mark(at + CHANNEL.len(), What::Channel);
        }
        for (index, pair) in self
            .pairs
            .iter()
            .enumerate()
            .filter(|(_, pair)| pair.kind == Kind::Literal)
        {
            if starts_with(rest, &pair.open) {
                return mark(at + pair.open.len(), What::Open(index));
            }
            if starts_with(rest, &pair.close) {
                return mark(at + pair.close.len(), What::Close(index));
            }
        }
        match turn_at(self.text, at) {
            Some((end, turn)) => mark(end, What::Turn(turn)),
            None => {
                let (length, what) = self.element(rest)?;
                mark(at + length, what)
            }
        }
    }

    fn element(&self, rest: &str) -> Option<(usize, What)> {
        let tag = Tag::read(rest)?;
        // `<details>` has no line in the table: its pair is the one behind the last.
        let details = self.pairs.len();
        let what = if tag.name.eq_ignore_ascii_case("details") {
            match (tag.closes, tag.closes || is_thought(&tag, &rest[tag.length..])) {
                (true, _) => What::Close(details),
                (false, true) => What::Open(details),
                (false, false) => What::PlainDetails,
            }
        } else {
            let pair = self
                .pairs
                .iter()
                .position(|pair| pair.kind == Kind::Element && pair.open.eq_ignore_ascii_case(tag.name))?;
            match (tag.closes, tag.is_empty) {
                (true, _) => What::Close(pair),
                (false, true) => What::Empty,
                (false, false) => What::Open(pair),
            }
        };
        Some((tag.length, what))
    }
}

struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
    closes: bool,
    is_empty: bool,
    length: usize,
}

impl Tag<'_> {
    fn read(rest: &str) -> Option<Tag<'_>> {
        let inner = rest.strip_prefix('<')?;
        let (closes, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let name_length = inner.bytes().take_while(|byte| is_name_byte(*byte)).count();
        let tail = inner.as_bytes()[name_length..].iter().take(TAG_BYTES_MAX);
        let end = tail.take_while(|byte| !matches!(byte, b'>' | b'<')).count();
        let name = &inner[..name_length];
        let attributes = inner.get(name_length..name_length + end)?;
        let bounded = attributes.is_empty() || attributes.starts_with([' ', '\t', '\n', '/', '=']);
        if name.is_empty() || !bounded || inner.as_bytes().get(name_length + end) != Some(&b'>') {
            return None;
        }
        Some(Tag {
            name,
            attributes,
            closes,
            is_empty: attributes.ends_with('/'),
            length: rest.len() - inner.len() + name_length + end + 1,
        })
    }
}

/// Whether `<details>` hides thoughts: its attributes or its summary say so.
fn is_thought(tag: &Tag<'_>, behind: &str) -> bool {
    let says = |text: &str| {
        let text = text.to_lowercase();
        DETAILS_OF_THOUGHT.iter().any(|word| text.contains(word))
    };
    if says(tag.attributes) {
        return true;
    }
    let summary = behind.trim_start();
    if !starts_with(summary, SUMMARY) {
        return false;
    }
    let head = &summary[..summary.floor_char_boundary(TAG_BYTES_MAX)];
    let end = head[SUMMARY.len()..]
        .find("</")
        .map_or(head.len(), |at| SUMMARY.len() + at);
    says(&head[..end])
}

fn firsts(pairs: &[Pair]) -> Vec<char> {
    let mut firsts: Vec<char> = pairs
        .iter()
        .filter(|pair| pair.kind == Kind::Literal)
        .flat_map(|pair| [pair.open.chars().next(), pair.close.chars().next()])
        .flatten()
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    firsts
}
