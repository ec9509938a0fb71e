//! Where code stands, read forward: a mark that is shown in code is text, not a mark.
//!
//! Simpler than a Markdown parser on purpose: thoughts are cut before anything is known about the answer, and a stray
//! backtick in a thought must not hide its end. So inline code ends on its line, and a fence that is never closed is none.

use std::collections::HashMap;

/// A run of backticks or tildes, and where the code ends that it opens.
pub(super) struct Tick {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Behind the closing run; `None` when there is none.
    pub(super) code_end: Option<usize>,
}

struct Fence {
    opens: bool,
    closes: bool,
}

/// All runs in their order. Linear in the text, up to sorting.
pub(super) fn ticks(text: &str) -> Vec<Tick> {
    let mut ticks = runs(text);
    let fences: Vec<Fence> = ticks.iter().map(|tick| fence(text, tick)).collect();
    let line_ends: Vec<usize> = line_ends(text, &ticks);
    let sign = |tick: &Tick| text.as_bytes()[tick.start];
    // From the end: per length the next run of a line, and a stack of the fences that can still close one before.
    let mut inline: HashMap<usize, (usize, usize)> = HashMap::new();
    let mut closing: HashMap<u8, Vec<usize>> = HashMap::new();
    for index in (0..ticks.len()).rev() {
        let length_of = |tick: usize| ticks[tick].end - ticks[tick].start;
        let length = length_of(index);
        let stack = closing.entry(sign(&ticks[index])).or_default();
        // The stack is sorted, the longest first: the last that is long enough stands next.
        let fence_end = stack
            .partition_point(|later| length <= length_of(*later))
            .checked_sub(1)
            .map(|closer| ticks[stack[closer]].end)
            .filter(|_| fences[index].opens);
        let inline_end = inline
            .get(&length)
            .filter(|(_, line_end)| *line_end == line_ends[index])
            .map(|(closer, _)| ticks[*closer].end)
            .filter(|_| sign(&ticks[index]) == b'`');
        if fences[index].closes {
            // Shorter ones behind it can close nothing that it cannot.
            while stack.last().is_some_and(|later| length_of(*later) <= length) {
                stack.pop();
            }
            stack.push(index);
        }
        if sign(&ticks[index]) == b'`' {
            inline.insert(length, (index, line_ends[index]));
        }
        ticks[index].code_end = fence_end.or(inline_end);
    }
    ticks
}

fn runs(text: &str) -> Vec<Tick> {
    let bytes = text.as_bytes();
    let mut ticks = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let sign = bytes[at];
        let length = match sign {
            b'`' | b'~' => bytes[at..].iter().take_while(|byte| **byte == sign).count(),
            _ => 0,
        };
        if sign == b'`' || 3 <= length {
            ticks.push(Tick {
                start: at,
                end: at + length,
                code_end: None,
            });
        }
        at += length.max(1);
    }
    ticks
}

fn line_ends(text: &str, ticks: &[Tick]) -> Vec<usize> {
    let mut line_end = 0;
    ticks
        .iter()
        .map(|tick| {
            if line_end < tick.end {
                line_end = text[tick.end..].find('\n').map_or(text.len(), |at| tick.end + at);
            }
            line_end
        })
        .collect()
}

/// A fence stands first on its line; the closing one stands alone.
fn fence(text: &str, tick: &Tick) -> Fence {
    let before = text[..tick.start]
        .bytes()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'>'))
        .count();
    let first = tick.start == before || text.as_bytes()[tick.start - before - 1] == b'\n';
    let after = text[tick.end..]
        .bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let alone = matches!(text.as_bytes().get(tick.end + after), None | Some(b'\n'));
    let opens = first && 3 <= tick.end - tick.start;
    Fence {
        opens,
        closes: opens && alone,
    }
}
