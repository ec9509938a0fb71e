/// Longest text of one outgoing part, in UTF-8 bytes (doc 96427).
pub const TEXT_PART_BYTES_MAX: usize = 2048;

const ELLIPSIS: &str = "…";

/// Splits a reply into parts that WeCom takes: at most `parts_max`, none over 2048 bytes, none empty.
///
/// Cuts at the last line break, else sentence end, else space of a part, never inside a character.
/// What does not fit into the parts is cut off with an ellipsis: the budget is the platform's, not ours.
pub fn plan_text(text: &str, parts_max: u32) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && parts.len() < parts_max as usize {
        let last = parts.len() + 1 == parts_max as usize;
        if rest.len() <= TEXT_PART_BYTES_MAX {
            parts.push(rest.to_owned());
            break;
        }
        if last {
            let end = floor_boundary(rest, TEXT_PART_BYTES_MAX - ELLIPSIS.len());
            parts.push(format!("{}{ELLIPSIS}", rest[..end].trim_end()));
            break;
        }
        let (part, after) = rest.split_at(cut(rest));
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start();
    }
    parts
}

/// Where the first part of `text` ends. `text` is longer than one part and does not start with white space.
fn cut(text: &str) -> usize {
    let end = floor_boundary(text, TEXT_PART_BYTES_MAX);
    let window = &text[..end];
    // A cut in the first half would waste more of the budget than a clean edge is worth.
    let usable = |at: &usize| end / 2 <= *at;
    window
        .rfind('\n')
        .filter(usable)
        .or_else(|| after_last(window, &['。', '！', '？', '；', '.', '!', '?']).filter(usable))
        .or_else(|| window.rfind(' ').filter(usable))
        .unwrap_or(end)
}

fn after_last(text: &str, ends: &[char]) -> Option<usize> {
    text.char_indices()
        .rev()
        .find(|(_, character)| ends.contains(character))
        .map(|(at, character)| at + character.len_utf8())
}

fn floor_boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_one_part_and_nothing_is_none() {
        assert_eq!(plan_text(" 您好 ", 5), ["您好"]);
        assert!(plan_text(" \n ", 5).is_empty());
        assert!(plan_text("您好", 0).is_empty());
    }

    #[test]
    fn cuts_at_a_line_break_before_the_limit() {
        let text = format!("{}\n{}", "甲".repeat(600), "乙".repeat(600));
        assert_eq!(plan_text(&text, 5), ["甲".repeat(600), "乙".repeat(600)]);
    }

    #[test]
    fn the_last_part_says_that_it_was_cut() {
        let parts = plan_text(&"字".repeat(5000), 2);
        assert_eq!(parts.len(), 2);
        assert!(parts[1].ends_with(ELLIPSIS));
    }

    proptest! {
        #[test]
        fn parts_are_few_short_and_never_empty(text in "[\\PC\\n]{0,3000}", parts_max in 1u32..6) {
            let parts = plan_text(&text, parts_max);
            prop_assert!(parts.len() <= parts_max as usize);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= TEXT_PART_BYTES_MAX));
        }

        #[test]
        fn nothing_is_lost_while_the_budget_lasts(text in "[a-z \\n]{0,6000}") {
            let said: String = plan_text(&text, 5).concat().split_whitespace().collect();
            let asked: String = text.split_whitespace().collect();
            prop_assert_eq!(said, asked);
        }
    }
}
