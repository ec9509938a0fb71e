//! The table of marks: between which signs models and their servers write thoughts and calls of tools.

use thiserror::Error;

/// Most pairs that the settings may add.
const PAIRS_MAX: usize = 50;
/// Longest mark of the settings, in bytes.
const MARK_BYTES_MAX: usize = 64;

/// Elements `<name …>…</name>` in which a model thinks; capitals and attributes do not matter.
///
/// Some servers swallow the opening one, so a closing one alone ends a thought that began with the answer.
const THINKING: &[&str] = &[
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reason",
    "reflection",
    "seed:think",
    "mm:think",
    "antthinking",
    "scratchpad",
    "inner_monologue",
    "chain_of_thought",
    "thinking_process",
    "thought_process",
    "internal_thoughts",
];

/// Elements in which a model calls a tool, or repeats what one said.
const TOOLS: &[&str] = &[
    "tool_call",
    "tool_calls",
    "tool_response",
    "tool_code",
    "function_call",
    "function_calls",
    "function_results",
    "minimax:tool_call",
    "seed:tool_call",
    "antml:function_calls",
    "function",
    "invoke",
];

/// Other pairs in which a model thinks.
const THINKING_PAIRS: &[(&str, &str)] = &[
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
    ("<|think|>", "<|/think|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>", "<channel|>"),
    ("<unused94>", "<unused95>"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("&lt;thinking&gt;", "&lt;/thinking&gt;"),
];

/// Other pairs in which a model calls a tool. Without the closing one the call takes the rest.
const TOOL_PAIRS: &[(&str, &str)] = &[
    ("<|tool_call|>", "<|/tool_call|>"),
    ("<|tool_call>", "<tool_call|>"),
    ("<|tool_call_begin|>", "<|tool_call_end|>"),
    ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    ("<|START_ACTION|>", "<|END_ACTION|>"),
    ("<|python_tag|>", "<|/python_tag|>"),
    ("<|plugin|>", "<|/plugin|>"),
    ("<|action_start|>", "<|action_end|>"),
    ("[TOOL_CALLS]", "[/TOOL_CALLS]"),
    ("[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    ("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    ("<|tool▁calls▁begin|>", "<|tool▁calls▁end|>"),
    ("✿FUNCTION✿", "✿RETURN✿"),
    ("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"),
    ("<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"),
];

/// Why the marks of the settings cannot be used. Pairs count from 1.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidThoughtMarks {
    #[error("pair {pair} is not `opening…closing`")]
    Shape { pair: usize },
    #[error("pair {pair} opens and closes with the same mark")]
    Same { pair: usize },
    #[error("pair {pair} has a mark of one sign, which would hit inside ordinary text")]
    TooShort { pair: usize },
    #[error("pair {pair} has a mark over {MARK_BYTES_MAX} bytes")]
    TooLong { pair: usize },
    #[error("more than {PAIRS_MAX} pairs")]
    TooMany,
}

/// The marks of thoughts and of calls of tools: the built-in table, and what the settings add.
#[derive(Clone, Debug)]
pub struct ThoughtMarks(Vec<Pair>);

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) open: String,
    pub(super) close: String,
    pub(super) kind: Kind,
    /// Whether a closing mark alone ends a thought that began with the answer.
    pub(super) swallowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `open` and `close` are the name of an element.
    Element,
    /// The marks stand as they are, whatever their case.
    Literal,
}

impl ThoughtMarks {
    /// A comma list of `opening…closing`, added to the built-in table; `...` is as good as `…`.
    ///
    /// A pair of tags, `<plan>…</plan>`, is met with attributes and in any case like the built-in ones.
    pub fn parse(list: &str) -> Result<ThoughtMarks, InvalidThoughtMarks> {
        let mut marks = ThoughtMarks::default();
        let entries = list
            .split([',', '，', '\n'])
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            if PAIRS_MAX <= index {
                return Err(InvalidThoughtMarks::TooMany);
            }
            marks.0.push(added(entry, index + 1)?);
        }
        Ok(marks)
    }

    pub(super) fn pairs(&self) -> &[Pair] {
        &self.0
    }
}

impl Default for ThoughtMarks {
    /// The built-in table.
    fn default() -> ThoughtMarks {
        let elements = [(THINKING, true), (TOOLS, false)]
            .into_iter()
            .flat_map(|(names, swallowed)| names.iter().map(move |name| Pair::element(name, swallowed)));
        let literals = [(THINKING_PAIRS, true), (TOOL_PAIRS, false)]
            .into_iter()
            .flat_map(|(pairs, swallowed)| {
                pairs
                    .iter()
                    .map(move |(open, close)| Pair::literal(open, close, swallowed))
            });
        ThoughtMarks(elements.chain(literals).collect())
    }
}

impl Pair {
    fn element(name: &str, swallowed: bool) -> Pair {
        let name = name.to_ascii_lowercase();
        Pair {
            open: name.clone(),
            close: name,
            kind: Kind::Element,
            swallowed,
        }
    }

    fn literal(open: &str, close: &str, swallowed: bool) -> Pair {
        Pair {
            open: open.to_owned(),
            close: close.to_owned(),
            kind: Kind::Literal,
            swallowed,
        }
    }
}

fn added(entry: &str, pair: usize) -> Result<Pair, InvalidThoughtMarks> {
    let (open, close) = entry
        .split_once('…')
        .or_else(|| entry.split_once("..."))
        .map(|(open, close)| (open.trim(), close.trim()))
        .filter(|(open, close)| !open.is_empty() && !close.is_empty())
        .ok_or(InvalidThoughtMarks::Shape { pair })?;
    if open.eq_ignore_ascii_case(close) {
        return Err(InvalidThoughtMarks::Same { pair });
    }
    if [open, close].iter().any(|mark| mark.chars().count() < 2) {
        return Err(InvalidThoughtMarks::TooShort { pair });
    }
    if [open, close].iter().any(|mark| MARK_BYTES_MAX < mark.len()) {
        return Err(InvalidThoughtMarks::TooLong { pair });
    }
    Ok(match element_name(open, close) {
        Some(name) => Pair::element(name, true),
        None => Pair::literal(open, close, true),
    })
}

/// The name when the pair is `<name>` and `</name>`.
fn element_name<'a>(open: &'a str, close: &str) -> Option<&'a str> {
    let name = open.strip_prefix('<')?.strip_suffix('>')?;
    let closing = close.strip_prefix("</")?.strip_suffix('>')?;
    let plain = name.bytes().all(is_name_byte) && name.starts_with(|first: char| first.is_ascii_alphabetic());
    (plain && name.eq_ignore_ascii_case(closing)).then_some(name)
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_the_settings_are_added_to_the_table() {
        let built_in = ThoughtMarks::default().pairs().len();
        let marks = ThoughtMarks::parse("<Plan>…</plan>, 【思考】...【/思考】，").unwrap();
        assert_eq!(marks.pairs().len(), built_in + 2);
        assert_eq!(marks.pairs()[built_in].kind, Kind::Element);
        assert_eq!(marks.pairs()[built_in].open, "plan");
        assert_eq!(marks.pairs()[built_in + 1].kind, Kind::Literal);
        assert_eq!(ThoughtMarks::parse(" ").unwrap().pairs().len(), built_in);
    }

    #[test]
    fn a_pair_that_cannot_be_used_is_named() {
        let check = |list: &str, expected: InvalidThoughtMarks| {
            assert_eq!(ThoughtMarks::parse(list).unwrap_err(), expected, "{list}");
        };
        check("<a>…</a>, <plan>", InvalidThoughtMarks::Shape { pair: 2 });
        check("<plan>…", InvalidThoughtMarks::Shape { pair: 1 });
        check("$$…$$", InvalidThoughtMarks::Same { pair: 1 });
        check("[…]", InvalidThoughtMarks::TooShort { pair: 1 });
        check(
            &format!("<<…{}", "x".repeat(65)),
            InvalidThoughtMarks::TooLong { pair: 1 },
        );
        check(&"<<…>>,".repeat(51), InvalidThoughtMarks::TooMany);
    }
}
