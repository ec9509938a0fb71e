//! Channels of the harmony format: `<|channel|>analysis<|message|>…<|end|>` is thought, `final` is said.

use super::template::starts_with;

pub(super) const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
/// Channels that a customer never reads.
pub(super) const UNSAID: &[&str] = &["analysis", "commentary"];
/// Longest header of a channel behind its name, in bytes: a recipient and a format.
const HEADER_BYTES_MAX: usize = 256;
/// What ends the message of a channel.
const ENDS: &[&str] = &["<|end|>", "<|return|>", "<|call|>", "<|start|>", CHANNEL];

/// Where the text goes on behind the channel whose name starts at `name_start`, behind the mark.
pub(super) fn skip_channel(text: &str, name_start: usize) -> usize {
    let name_length = text[name_start..]
        .bytes()
        .take_while(u8::is_ascii_alphabetic)
        .count();
    let name = &text[name_start..name_start + name_length];
    let header_end = name_start + name_length;
    if UNSAID.iter().any(|unsaid| name.eq_ignore_ascii_case(unsaid)) {
        return end_of_message(text, header_end);
    }
    // Between the name and the message stand a recipient and a format.
    let header = &text.as_bytes()[header_end..text.len().min(header_end + HEADER_BYTES_MAX)];
    let message = header
        .windows(MESSAGE.len())
        .take_while(|window| window[0] != b'\n')
        .position(|window| window == MESSAGE.as_bytes());
    message.map_or(header_end, |offset| header_end + offset + MESSAGE.len())
}

fn end_of_message(text: &str, from: usize) -> usize {
    text[from..]
        .match_indices("<|")
        .map(|(offset, _)| from + offset)
        .find(|at| ENDS.iter().any(|end| starts_with(&text[*at..], end)))
        .unwrap_or(text.len())
}
