//! Thoughts and calls of tools whose marks a server has taken away, so that only their words are left.

use super::harmony::UNSAID;
use super::template::starts_with;

/// How much of the beginning of an answer shows that it is a call, in bytes without blanks.
const CALL_HEAD_BYTES: usize = 24;
/// How an answer begins that is nothing but a call of a tool.
const CALL_HEADS: &[&str] = &[
    "{\"name\":\"",
    "{\"type\":\"function\"",
    "{\"function\":",
    "{\"tool_calls\":",
    "{\"tool\":\"",
];
const CALL_KEYS: &[&str] = &["\"arguments\"", "\"parameters\""];

/// `analysis…assistantfinal…` are the channels of harmony without their marks; a terminal prints
/// `Thinking...` and `...done thinking.`
pub(super) fn behind_bare_thoughts(text: &str) -> &str {
    let begins = text.trim_start();
    let end = if UNSAID.iter().any(|unsaid| starts_with(begins, unsaid)) {
        "assistantfinal"
    } else if begins.starts_with("Thinking...\n") {
        "...done thinking."
    } else {
        return text;
    };
    text.rfind(end).map_or(text, |at| &text[at + end.len()..])
}

/// Whether the whole answer, perhaps between fences, is the JSON of a call.
pub(super) fn is_call(text: &str) -> bool {
    let text = text.trim();
    let text = match text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) {
        Some(fenced) => fenced
            .trim_start_matches(|sign: char| sign.is_ascii_alphanumeric())
            .trim(),
        None => text,
    };
    let text = text.trim_start_matches(['[', ' ', '\n']);
    let head: String = text
        .chars()
        .filter(|sign| !sign.is_whitespace())
        .take(CALL_HEAD_BYTES)
        .collect();
    text.ends_with(['}', ']'])
        && CALL_HEADS.iter().any(|start| head.starts_with(start))
        && CALL_KEYS.iter().any(|key| text.contains(key))
}
