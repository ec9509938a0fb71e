//! Marks of chat templates that a server forgot to take out: who speaks, and where a turn ends.

/// Marks that say nothing wherever they stand outside of code.
const SILENT: &[&str] = &[
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|begin_of_text|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|message|>",
    "<|constrain|>",
    "<|assistant|>",
    "<|begin_of_solution|>",
    "<|end_of_solution|>",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
    "<｜begin▁of▁sentence｜>",
    "<｜Assistant｜>",
    "<answer>",
    "</answer>",
    "<final_answer>",
    "</final_answer>",
];

/// Marks before the name of who speaks, and what stands behind the name.
const SPEAKERS: &[(&str, &str)] = &[
    ("<|im_start|>", ""),
    ("<|start|>", ""),
    ("<|start_header_id|>", "<|end_header_id|>"),
    ("<start_of_turn>", ""),
];

/// Marks of the others: what follows is their turn, which the model made up.
const OTHERS: &[&str] = &["<|user|>", "<|system|>", "<|observation|>", "<｜User｜>"];

/// Marks that are taken away at both ends of an answer only; elsewhere they may be text.
const AT_ENDS: &[&str] = &["<s>", "</s>", "<eos>", "<bos>", "[INST]", "[/INST]", "<pad>"];

/// Most marks that are taken away at each end.
const MARKS_AT_ENDS_MAX: usize = 32;

/// What a mark of a template asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It and the name behind it are not said.
    Ours,
    /// Somebody else speaks from here on.
    Others,
}

/// Reads the mark that starts at `at`, if there is one: where it ends, and what it asks for.
pub(super) fn turn_at(text: &str, at: usize) -> Option<(usize, Turn)> {
    let rest = &text[at..];
    if let Some(mark) = SILENT.iter().find(|mark| starts_with(rest, mark)) {
        return Some((at + mark.len(), Turn::Ours));
    }
    if let Some(mark) = OTHERS.iter().find(|mark| starts_with(rest, mark)) {
        return Some((at + mark.len(), Turn::Others));
    }
    let (mark, behind) = SPEAKERS.iter().find(|(mark, _)| starts_with(rest, mark))?;
    let named = &rest[mark.len()..];
    let name = named.bytes().take_while(u8::is_ascii_alphabetic).count();
    let mut end = at + mark.len() + name;
    if starts_with(&text[end..], behind) {
        end += behind.len();
    }
    let turn = match named[..name].to_ascii_lowercase().as_str() {
        "" | "assistant" | "model" | "bot" => Turn::Ours,
        _ => Turn::Others,
    };
    Some((end, turn))
}

/// Without the marks of templates at both ends, known or of the shape `<|word|>`.
pub(super) fn without_marks_at_ends(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..MARKS_AT_ENDS_MAX {
        let shorter = without_last(without_first(text)).trim();
        if shorter.len() == text.len() {
            break;
        }
        text = shorter;
    }
    text
}

/// `<s>…</s>` within an answer strikes text through.
fn strikes(text: &str, mark: &str) -> bool {
    match mark {
        "<s>" => text.contains("</s>") && !text.ends_with("</s>"),
        "</s>" => text.contains("<s>"),
        _ => false,
    }
}

fn without_first(text: &str) -> &str {
    if let Some(mark) = AT_ENDS
        .iter()
        .find(|mark| starts_with(text, mark) && !strikes(text, mark))
    {
        return &text[mark.len()..];
    }
    let word = text.strip_prefix("<|").and_then(|rest| rest.split_once("|>"));
    match word {
        Some((word, rest)) if is_word(word) => rest,
        _ => text,
    }
}

fn without_last(text: &str) -> &str {
    if let Some(mark) = AT_ENDS
        .iter()
        .find(|mark| text.ends_with(*mark) && !strikes(text, mark))
    {
        return &text[..text.len() - mark.len()];
    }
    let word = text.strip_suffix("|>").and_then(|rest| rest.rsplit_once("<|"));
    match word {
        Some((rest, word)) if is_word(word) => rest,
        _ => text,
    }
}

fn is_word(word: &str) -> bool {
    (1..=40).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte))
}

/// Whether `text` starts with `mark`, whatever the case of its ASCII letters.
pub(super) fn starts_with(text: &str, mark: &str) -> bool {
    text.as_bytes()
        .get(..mark.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
}
