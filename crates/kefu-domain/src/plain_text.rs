use crate::reasoning::{ThoughtMarks, without_thoughts};

/// Turns a model's answer into what a chat bubble shows: reasoning blocks and Markdown marks removed.
///
/// Empty when nothing is left; the caller then says its fallback text.
pub fn plain_text(answer: &str, thoughts: &ThoughtMarks) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in without_thoughts(answer, thoughts).lines() {
        let line = plain_line(line.trim_end());
        let repeats_blank = line.is_empty() && lines.last().is_none_or(String::is_empty);
        if !repeats_blank {
            lines.push(line);
        }
    }
    lines.join("\n").trim().to_owned()
}

fn plain_line(line: &str) -> String {
    let trimmed = line.trim_start();
    if trimmed.starts_with("```") || is_rule(trimmed) {
        return String::new();
    }
    let body = without_heading(trimmed);
    let body = body.strip_prefix("> ").unwrap_or(body);
    let (bullet, body) = match body.strip_prefix("* ").or_else(|| body.strip_prefix("+ ")) {
        Some(item) => ("- ", item),
        None => ("", body),
    };
    format!("{bullet}{}", without_marks(&with_bare_links(body)))
}

/// `# Title`, up to six levels; `#tag` without a space is text.
fn without_heading(line: &str) -> &str {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    match line[level..].strip_prefix(' ') {
        Some(title) if (1..=6).contains(&level) => title,
        _ => line,
    }
}

fn is_rule(line: &str) -> bool {
    3 <= line.len()
        && ['-', '*', '_']
            .iter()
            .any(|mark| line.chars().all(|character| character == *mark))
}

/// `**bold**`, `__bold__`, `~~struck~~` and `` `code` `` lose their marks; a single `*` or `_` is left alone,
/// it is as often a product code or a sum as it is emphasis.
fn without_marks(line: &str) -> String {
    line.replace("**", "")
        .replace("__", "")
        .replace("~~", "")
        .replace('`', "")
}

/// `[text](url)` becomes `text (url)`, or the url alone where both are the same.
fn with_bare_links(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, text, url, after)) = next_link(rest) {
        plain.push_str(before.strip_suffix('!').unwrap_or(before));
        if text.is_empty() || text == url {
            plain.push_str(url);
        } else {
            plain.push_str(&format!("{text} ({url})"));
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn next_link(line: &str) -> Option<(&str, &str, &str, &str)> {
    let middle = line.find("](")?;
    let open = line[..middle].rfind('[')?;
    let close = middle + line[middle..].find(')')?;
    Some((
        &line[..open],
        &line[open + 1..middle],
        &line[middle + 2..close],
        &line[close + 1..],
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(answer: &str, expected: &str) {
        assert_eq!(plain_text(answer, &ThoughtMarks::default()), expected);
    }

    #[test]
    fn reasoning_is_not_said_aloud() {
        check("<think>the customer is angry</think>\n您好！", "您好！");
        check("still thinking</think>好的", "好的");
        check("好的<think>never closed", "好的");
        check("<think>only</think>", "");
    }

    #[test]
    fn markdown_marks_go_and_the_text_stays() {
        check(
            "# 退款\n\n\n**三天内**到账，见`订单`页",
            "退款\n\n三天内到账，见订单页",
        );
        check("* 一\n+ 二\n- 三", "- 一\n- 二\n- 三");
        check("```json\n{\"a\":1}\n```", "{\"a\":1}");
        check(
            "见[帮助](https://example.com/h)。",
            "见帮助 (https://example.com/h)。",
        );
        check(
            "![图](https://example.com/p.png)",
            "图 (https://example.com/p.png)",
        );
        check("---\n完", "完");
    }

    #[test]
    fn what_only_looks_like_markdown_is_left_alone() {
        check("#kf-1 2*3=6 A_1", "#kf-1 2*3=6 A_1");
        check("[未完](", "[未完](");
    }

    proptest! {
        #[test]
        fn never_panics(answer in "\\PC{0,200}") {
            plain_text(&answer, &ThoughtMarks::default());
        }
    }
}
